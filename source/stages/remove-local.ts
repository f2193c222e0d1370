/** Removes the local copy of a file that is stored remotely. */
import {rm, rmdir} from 'node:fs/promises';
import {dirname} from 'node:path';
import type {Emit} from '../core/events.js';
import type {PendingFile} from './artifact.js';

/** Deletes a local copy if all of it is proven to be stored remotely; otherwise keeps it, with a warning. */
export async function removeLocal(
	emit: Emit,
	{finalPath: path, directory}: Pick<PendingFile, 'finalPath' | 'directory'>,
	proven: boolean,
): Promise<void> {
	if (!proven) {
		const text = `${path} is kept despite delete_uploaded: only the size of its remote copy could be checked`;
		emit({type: 'log', level: 'warn', text});
		return;
	}
	await rm(path, {recursive: directory});
	if (!directory && dirname(path).endsWith('.d')) await rmdir(dirname(path)).catch(() => undefined); // not empty yet
	emit({type: 'file.removed', path, location: 'local', reason: 'uploaded and checked'});
}
