import {messageOf, PgBackError} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';
import {fileIdentity} from '../lib/own-file.js';
import {backupDirectories} from '../repository/backup-directories.js';
import type {Remote} from '../repository/remote.js';
import type {ConfiguredContext, RunContext} from '../runs/context.js';
import {readUploadRecords} from '../stages/upload-journal.js';
import {storesWithPartials} from '../storage/storage.js';

/** Milliseconds for the cleanup, which must not delay a run. */
const sweepTime = 60_000;

/**
 * Removes unfinished files of `dead` runs (six characters each) at the remote location, except those that an upload
 * record will resume. Runs of other hosts and users are never in `dead`. A failure causes a warning.
 */
export async function sweepRemote(run: ConfiguredContext, remote: Remote, dead: ReadonlySet<string>): Promise<void> {
	const {storage, prefix, store, location} = remote;
	if (dead.size === 0 || !storesWithPartials.has(store) || !storage.cleanup) return;
	try {
		const signal = AbortSignal.any([run.signal, AbortSignal.timeout(sweepTime)]);
		const keep = await leftJournals(run);
		for (const path of await storage.cleanup(prefix, {signal, olderThan: 0, runs: dead, keep}))
			run.emit({type: 'file.removed', path, location, reason: 'left by a run that was killed'});
	} catch (error) {
		run.signal.throwIfAborted();
		const place = error instanceof PgBackError ? '' : ` at ${location}`; // ours name the location
		const text = `cannot remove the unfinished files of killed runs${place}: ${messageOf(error)}`;
		run.emit({type: 'log', level: 'warn', text});
	}
}

async function leftJournals(run: Pick<RunContext, 'configuration' | 'tag'>): Promise<readonly unknown[]> {
	const journals: unknown[] = [];
	for (const directory of await backupDirectories(run.configuration.settings.backupDirectory)) {
		if ((await lstatIfThere(directory)) === undefined) continue;
		const identity = () => fileIdentity(directory, run.tag);
		for (const {record} of await readUploadRecords(directory, identity)) journals.push(record?.journal);
	}
	return journals;
}
