/** Resumes uploads that an earlier run could not finish. */
import {dirname, join} from 'node:path';
import {messageOf, PgBackError} from '../core/errors.js';
import type {JobState} from '../core/run-state.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {type FileIdentity, fileIdentity} from '../lib/own-file.js';
import {backupDirectories} from '../repository/backup-directories.js';
import {closeAll, openUploadPlaces, uploadOptions} from '../repository/remote.js';
import {downloadBase} from '../repository/remote-keys.js';
import {checkSharedDirectory} from '../repository/shared-directory.js';
import {parseFileName} from '../retention/names.js';
import type {ConfiguredContext, JobsContext, RunContext, RunResult, StoreContext} from '../runs/context.js';
import type {Lock} from '../runs/file-lock.js';
import {resultOf} from '../runs/outcome.js';
import {runJobs} from '../runs/run-jobs.js';
import {runIsAlive, type RunLocks} from '../runs/run-locks.js';
import type {JobControl, Task} from '../runs/scheduler.js';
import {type PlaceEvent, placeMeters} from '../stages/place-meters.js';
import {finishResumed, type LeftUpload, resumeUpload} from '../stages/resume-upload.js';
import type {UploadOptions} from '../stages/upload.js';
import {readUploadRecords, removeUploadRecord, type UploadRecord} from '../stages/upload-journal.js';
import {abortLeftStream} from './left-streams.js';

/** A file with the uploads that are left. */
type Found = {readonly path: string; readonly left: readonly LeftUpload[]};

type Resumption = {
	readonly run: Pick<RunContext, 'emit' | 'env'>;
	readonly locks: RunLocks;
	readonly places: readonly UploadOptions[];
};

/** `--resume-uploads`: finishes interrupted uploads, and does nothing else. */
export async function runResumeUploads(run: ConfiguredContext & JobsContext): Promise<RunResult> {
	if (run.configuration.settings.upload.length === 0)
		throw new PgBackError('CONFIG', 'no remote location to upload to', {hint: 'set upload or use --upload'});
	await checkSharedDirectory(run);
	const remotes = await openUploadPlaces(run);
	try {
		const places = remotes.map(remote => uploadOptions(run, remote));
		const found = await leftUploads(run, places);
		if (found.length === 0) {
			run.emit({type: 'log', level: 'info', text: 'no interrupted upload to resume'});
			return resultOf([], run.signal);
		}
		return await runJobs(run, run.configuration.settings.uploadJobs, locks =>
			found.map(one => resumeTask({run, locks, places}, one)),
		);
	} finally {
		await closeAll(remotes);
	}
}

/** Uploads what is left of a finished job, as that job: it is not dumped again. */
export async function runUploadOf(run: ConfiguredContext & JobsContext, job: JobState): Promise<RunResult> {
	if (run.configuration.settings.upload.length === 0)
		throw new PgBackError('CONFIG', 'no remote location to upload to');
	const remotes = await openUploadPlaces(run);
	try {
		const places = remotes.map(remote => uploadOptions(run, remote));
		const isOfJob = ({path}: Found) =>
			job.files.some(one => path === one.path || (one.directory && path.startsWith(`${one.path}/`)));
		return await runJobs(run, 1, locks => [
			uploadTask(job, async control => {
				const found = (await leftUploads(run, places)).filter(isOfJob);
				return found.map(one => async () => {
					const why = await resumeFile({run, locks, places}, one, control);
					if (why !== undefined) throw new PgBackError('STORAGE', `${nameOf(one)}: ${why}`);
				});
			}),
		]);
	} finally {
		await closeAll(remotes);
	}
}

/**
 * Returns a task that runs the remaining uploads of `job` one after the other. All are tried; throws the first failure.
 */
function uploadTask(job: JobState, left: (control: JobControl) => Promise<readonly (() => Promise<void>)[]>): Task {
	return {
		plan: {id: job.id, kind: job.kind, name: job.name, stages: job.stages, ...(job.places && {places: job.places})},
		resumesFrom: () => 'upload',
		async run(control) {
			const uploads = await left(control);
			if (uploads.length === 0) {
				throw new PgBackError('STORAGE', `nothing is known of the upload of ${job.name} any more`, {
					hint: 'list the remote location: another run may have uploaded it',
				});
			}
			control.meter.start('upload');
			const failures: unknown[] = [];
			for (const upload of uploads) {
				control.signal.throwIfAborted();
				await upload().catch((error: unknown) => failures.push(error));
			}
			control.signal.throwIfAborted();
			if (failures.length > 0) throw failures[0];
			control.meter.finish('upload');
		},
	};
}

/** Returns the tasks for interrupted uploads, to be run after the dumps of a backup. */
export async function resumeTasks(
	run: StoreContext,
	locks: RunLocks,
	places: readonly UploadOptions[],
): Promise<readonly Task[]> {
	if (places.length === 0) return [];
	return (await leftUploads(run, places)).map(one => resumeTask({run, locks, places}, one));
}

/**
 * Returns the uploads to resume. An untrusted record is reported and kept; one for a missing or changed file is
 * removed.
 */
async function leftUploads(run: StoreContext, places: readonly UploadOptions[]): Promise<readonly Found[]> {
	const found = new Map<string, LeftUpload[]>();
	const {backupDirectory} = run.configuration.settings;
	if ((await lstatIfThere(downloadBase(backupDirectory))) === undefined) return []; // the first run
	const warn = (text: string) => run.emit({type: 'log', level: 'warn', text: display(text)});
	for (const directory of await backupDirectories(backupDirectory)) {
		if ((await lstatIfThere(directory)) === undefined) continue;
		let probed: Promise<FileIdentity> | undefined;
		const identity = () => (probed ??= fileIdentity(directory, run.tag));
		for (const one of await readUploadRecords(directory, identity)) {
			const {path, record} = one;
			if (record === undefined) {
				warn(`ignoring upload record ${path}: ${one.problem}`);
				if (one.isOurs) await removeUploadRecord(path);
				continue;
			}
			if (record.run === run.tag) continue;
			const options = places.find(({storage}) => storage.location === record.location);
			if (!options) {
				const locations = places.map(({storage}) => storage.location).join(', ');
				const text = `upload of ${record.file} to ${record.location} is not resumed: this run uploads to ${locations}`;
				run.emit({type: 'log', level: 'info', text: display(text)});
				continue;
			}
			const refusal = await refusalOf(directory, record, options, (await identity()).uid);
			if (refusal !== undefined) {
				warn(`ignoring upload record ${path}: ${refusal}`);
				continue;
			}
			if (record.streamed) {
				if (await runIsAlive(directory, record.run, run.env)) continue;
				await abortLeftStream(run, {options, recordFile: path, record});
				continue;
			}
			if (record.announced) {
				// Checked first: a dead run no longer renames files.
				const isAlive = await runIsAlive(directory, record.run, run.env);
				if ((await lstatIfThere(join(directory, record.file))) === undefined) {
					if (!isAlive) await removeUploadRecord(path);
					continue;
				}
			}
			const problem = await problemOf(directory, record);
			if (problem !== undefined) {
				warn(`upload of ${record.key} is not resumed: ${problem}`);
				await removeUploadRecord(path);
				continue;
			}
			const file = join(directory, record.file);
			found.set(file, [...(found.get(file) ?? []), {options, recordFile: path, record}]);
		}
	}
	return [...found].map(([path, left]) => ({path, left}));
}

/** Returns why this record cannot be ours: it names a file that is not one of our dumps, or another key than ours. */
async function refusalOf(
	directory: string,
	{file, key}: UploadRecord,
	{keyFor}: UploadOptions,
	uid: number,
): Promise<string | undefined> {
	const parsed = parseFileName(file);
	if (parsed === undefined || file.split('/').some(part => part.startsWith('.')))
		return `its file ${file} is not a pg_back file name`;
	const path = join(directory, file);
	if (keyFor(path) !== key) return `its key ${key} is not the key of ${path} in this configuration`;
	for (let parent = dirname(path); parent !== join(directory); parent = dirname(parent)) {
		const stats = await lstatIfThere(parent);
		if (stats && !stats.isDirectory()) return `${parent} is not a directory`;
	}
	const stats = await lstatIfThere(path);
	if (stats === undefined) return undefined;
	if (!stats.isFile()) return `${path} is not a regular file`;
	return stats.uid === uid ? undefined : `${path} belongs to another user (uid ${stats.uid})`;
}

async function problemOf(directory: string, record: UploadRecord): Promise<string | undefined> {
	const path = join(directory, record.file);
	const stats = await lstatIfThere(path);
	if (!stats) return `${path} does not exist any more`;
	const unchanged = stats.size === record.size && (record.modified === undefined || stats.mtimeMs === record.modified);
	return unchanged ? undefined : `${path} has changed`;
}

function resumeTask(resumption: Resumption, found: Found): Task {
	const {run, places} = resumption;
	const [first] = found.left;
	return {
		plan: {
			id: `upload:${first?.record.key ?? found.path}`,
			kind: 'upload',
			name: nameOf(found),
			stages: ['upload'],
			...(places.length > 1 && {places: found.left.map(({options}) => options.storage.kind)}),
			...(first && {estimatedBytes: first.record.size}),
		},
		async run(control) {
			const why = await resumeFile(resumption, found, control);
			if (why !== undefined) run.emit({type: 'job.result', job: control.id, result: 'skipped', detail: why});
		},
	};
}

/** Returns the file relative to its directory. */
function nameOf({path, left: [first]}: Found): string {
	return first?.record.file ?? path;
}

/**
 * Resumes the uploads of one file, to all places at the same time. Returns undefined when it is stored and checked;
 * otherwise why another run is responsible. All are tried; throws the first failure.
 */
async function resumeFile(
	resumption: Resumption,
	{left}: Found,
	{id: job, signal, meter, freeSlot}: JobControl,
): Promise<string | undefined> {
	const {run, places} = resumption;
	const held: Lock[] = [];
	try {
		const lockOf = async (one: LeftUpload) => lockUpload(resumption, one, held);
		const whys = await Promise.all(left.map(lockOf));
		const ours = left.filter((_, index) => whys[index] === undefined);
		if (ours.length === 0) return whys[0];
		freeSlot();
		const emit = (event: PlaceEvent) => run.emit({...event, job});
		const stores = ours.map(({options}) => options.storage.kind);
		const meters = places.length < 2 ? [] : placeMeters(meter, stores, emit);
		const results = await Promise.allSettled(
			ours.map(async (one, index) => {
				const shipment = await resumeUpload(one, {job, signal, meter: meters[index] ?? meter});
				return {left: one, shipment};
			}),
		);
		signal.throwIfAborted();
		const done = results.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
		await finishResumed(done, places, signal);
		const [failure, ...others] = results.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
		for (const other of others) run.emit({type: 'log', level: 'error', text: messageOf(other), job});
		if (failure !== undefined) throw failure as Error;
		meter.finish('upload');
		return undefined;
	} finally {
		for (const lock of held) await lock.release();
	}
}

/** Adds the lock of one upload to `held`. Returns why another run is responsible, if it is. */
async function lockUpload(
	{run, locks}: Resumption,
	{recordFile, record}: LeftUpload,
	held: Lock[],
): Promise<string | undefined> {
	const isElsewhere = await runIsAlive(dirname(recordFile), record.run, run.env);
	const lock = isElsewhere ? undefined : await locks.record(recordFile);
	if (!lock) return 'another run is uploading it';
	held.push(lock);
	return (await lstatIfThere(recordFile)) === undefined ? 'another run uploaded it' : undefined;
}
