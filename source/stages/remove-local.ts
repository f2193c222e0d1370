/** Removes the local copy of a file that is stored remotely. */
import {rm} from 'node:fs/promises';
import {removeTree} from '../lib/files.js';
import type {PendingFile} from './artifact.js';
import type {UploadOptions} from './send-file.js';

/** Deletes a local copy if all of it is proven to be stored remotely; otherwise keeps it, with a warning. */
export async function removeLocal(
	{emit, run}: Pick<UploadOptions, 'emit' | 'run'>,
	{finalPath: path, directory}: Pick<PendingFile, 'finalPath' | 'directory'>,
	proven: boolean,
): Promise<void> {
	if (!proven) {
		const text = `${path} is kept despite delete_uploaded: only the size of its remote copy could be checked`;
		emit({type: 'log', level: 'warn', text});
		return;
	}
	await (directory ? removeTree(path, run) : rm(path));
	emit({type: 'file.removed', path, location: 'local', reason: 'uploaded and checked'});
}
