/** Uploads that a run which died, or failed, has left behind. */
import {dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';
import {readUploadRecords, removeUploadRecord, type UploadRecord} from '../stages/upload-journal.js';
import {resumeUpload, type UploadOptions} from '../stages/upload.js';
import {backupDirectories} from './backup-directories.js';
import type {RunContext, RunResult} from './context.js';
import {runJobs} from './run-jobs.js';
import {runIsAlive, type RunLocks} from './locks.js';
import {resultOf} from './outcome.js';
import {downloadBase, openRemote, uploadOptions} from './remote.js';
import type {Task} from './scheduler.js';

type Found = {readonly path: string; readonly record: UploadRecord};

/** `--resume-uploads`: finishes them, and does nothing else. */
export async function runResumeUploads(run: RunContext): Promise<RunResult> {
	const {upload} = run.configuration.settings;
	if (upload === 'none')
		throw new PgBackError('CONFIG', 'there is no remote location to upload to', {hint: 'set upload, or give --upload'});
	const remote = await openRemote(run, upload);
	try {
		const options = uploadOptions(run, remote);
		const found = await leftUploads(run, options);
		if (found.length === 0) {
			run.emit({type: 'log', level: 'info', text: 'there is no upload to go on with'});
			return resultOf([], run.signal);
		}
		return await runJobs(run, run.configuration.settings.uploadJobs, locks =>
			found.map(one => resumeTask(run, locks, options, one)),
		);
	} finally {
		await remote.close();
	}
}

/** The tasks for what is left, to be run after the dumps of a backup. */
export async function resumeTasks(run: RunContext, locks: RunLocks, options: UploadOptions): Promise<readonly Task[]> {
	return (await leftUploads(run, options)).map(one => resumeTask(run, locks, options, one));
}

/** Records whose file is gone or has changed are of no use, and are removed. */
async function leftUploads(run: RunContext, {storage}: UploadOptions): Promise<readonly Found[]> {
	const found: Found[] = [];
	const {backupDirectory} = run.configuration.settings;
	if ((await lstatIfThere(downloadBase(backupDirectory))) === undefined) return []; // the first run
	for (const directory of await backupDirectories(backupDirectory)) {
		if ((await lstatIfThere(directory)) === undefined) continue;
		for (const {path, record} of await readUploadRecords(directory)) {
			if (record?.run === run.tag) continue;
			if (record?.announced) {
				// Asked first: a run that is dead gives no file its name any more.
				const isAlive = await runIsAlive(directory, record.run, run.env);
				if ((await lstatIfThere(join(directory, record.file))) === undefined) {
					if (!isAlive) await removeUploadRecord(path);
					continue;
				}
			}
			const problem = await problemOf(directory, record);
			if (problem !== undefined) {
				run.emit({type: 'log', level: 'warn', text: `${record?.key ?? path} is not uploaded any further: ${problem}`});
				await removeUploadRecord(path);
			} else if (record?.location === storage.location) found.push({path, record});
		}
	}
	return found;
}

async function problemOf(directory: string, record: UploadRecord | undefined): Promise<string | undefined> {
	if (!record) return 'what is written down of it cannot be understood';
	const path = join(directory, record.file);
	const stats = await lstatIfThere(path);
	if (!stats?.isFile()) return `${path} is gone`;
	const unchanged = stats.size === record.size && (record.modified === undefined || stats.mtimeMs === record.modified);
	return unchanged ? undefined : `${path} has changed`;
}

function resumeTask(run: RunContext, locks: RunLocks, options: UploadOptions, {path, record}: Found): Task {
	return {
		plan: {
			id: `upload:${record.key}`,
			kind: 'upload',
			name: record.file,
			stages: ['upload'],
			estimatedBytes: record.size,
		},
		async run({id, signal, meter, freeSlot}) {
			const skip = (detail: string) => run.emit({type: 'job.result', job: id, result: 'skipped', detail});
			const isElsewhere = await runIsAlive(dirname(path), record.run, run.env);
			const lock = isElsewhere ? undefined : await locks.upload(path);
			try {
				if (!lock) skip('it is being uploaded by another run');
				else if ((await lstatIfThere(path)) === undefined) skip('another run has uploaded it');
				else {
					freeSlot();
					await resumeUpload(options, path, record, {job: id, meter, signal});
				}
			} finally {
				await lock?.release();
			}
		},
	};
}
