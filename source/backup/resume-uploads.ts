/** Resumes uploads that an earlier run could not finish. */
import {dirname, join, relative} from 'node:path';
import {isTableOfContents} from '../core/directory-dump.js';
import {PgBackError} from '../core/errors.js';
import type {JobState} from '../core/run-state.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {type FileIdentity, fileIdentity} from '../lib/own-file.js';
import {backupDirectories} from '../repository/backup-directories.js';
import {closeAll, openUploadPlaces, uploadOptions} from '../repository/remote.js';
import {downloadBase} from '../repository/remote-keys.js';
import {checkSharedDirectory} from '../repository/shared-directory.js';
import {dumpPath, parseFileName, parsePath} from '../retention/names.js';
import type {ConfiguredContext, JobsContext, RunResult, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {runJobs} from '../runs/run-jobs.js';
import {runIsAlive, type RunLocks} from '../runs/run-locks.js';
import type {JobControl, Task} from '../runs/scheduler.js';
import type {LeftUpload} from '../stages/resume-upload.js';
import type {UploadOptions} from '../stages/upload.js';
import {readUploadRecords, removeUploadRecord, type UploadRecord} from '../stages/upload-journal.js';
import {abortLeftStream} from './left-streams.js';
import {type GivenUp, type LeftDump, type LeftFile, resumeDump, type Resumption, uploadsOf} from './resume-dump.js';

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
			found.map(one => resumeTask({run, locks, places, onGivenUp: fail}, one)),
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
		const isOfJob = ({path}: LeftDump) => job.files.some(one => path === one.path);
		return await runJobs(run, 1, locks => [
			uploadTask(job, async control => {
				const found = (await leftUploads(run, places)).filter(isOfJob);
				return found.map(one => async () => {
					const why = await resumeDump({run, locks, places, onGivenUp: fail}, one, control);
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
	// The run that left them has failed. This one is judged by its own dumps.
	const onGivenUp = (text: string) => run.emit({type: 'log', level: 'warn', text});
	return (await leftUploads(run, places)).map(one => resumeTask({run, locks, places, onGivenUp}, one));
}

function fail(text: string): never {
	throw new PgBackError('STORAGE', text);
}

/** Returns the uploads to resume, and those of missing and changed files. An untrusted record is reported and kept. */
async function leftUploads(run: StoreContext, places: readonly UploadOptions[]): Promise<readonly LeftDump[]> {
	const found = new Map<string, LeftUpload[]>();
	const givenUp: GivenUp[] = [];
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
			const left: LeftUpload = {options, recordFile: path, record};
			const file = join(directory, record.file);
			const problem = await problemOf(directory, record);
			if (problem !== undefined) {
				givenUp.push({left, file, problem});
				continue;
			}
			found.set(file, [...(found.get(file) ?? []), left]);
		}
	}
	return dumpsOf(withoutContents(found, givenUp), givenUp);
}

type Files = ReadonlyMap<string, readonly LeftUpload[]>;

/** Identifies the dump with this file at a location. */
function dumpAt(location: string, path: string): string {
	return `${location}\0${dumpOf(path).path}`;
}

function dumpOf(path: string): {readonly path: string; readonly directory: boolean} {
	const member = parsePath(path)?.member;
	return {path: dumpPath(path, member), directory: member !== undefined};
}

/** Gives up the tables of contents of directory dumps that will never have all other members. */
function withoutContents(files: Files, givenUp: GivenUp[]): Files {
	const incomplete = new Set(givenUp.map(({left, file}) => dumpAt(left.record.location, file)));
	const kept = new Map<string, LeftUpload[]>();
	for (const [file, all] of files) {
		for (const left of all) {
			const {location} = left.record;
			if (isTableOfContents(file) && incomplete.has(dumpAt(location, file)))
				givenUp.push({left, file, problem: `${location} lacks other members of the dump`});
			else kept.set(file, [...(kept.get(file) ?? []), left]);
		}
	}
	return kept;
}

/** Puts the members of each directory dump together. */
function dumpsOf(files: Files, givenUp: readonly GivenUp[]): readonly LeftDump[] {
	type Entry = {readonly directory: boolean; readonly files: LeftFile[]; readonly givenUp: GivenUp[]};
	const dumps = new Map<string, Entry>();
	const entryOf = (file: string): Entry => {
		const {path, directory} = dumpOf(file);
		const entry = dumps.get(path) ?? {directory, files: [], givenUp: []};
		dumps.set(path, entry);
		return entry;
	};
	for (const [path, left] of files) entryOf(path).files.push({path, left});
	for (const one of givenUp) entryOf(one.file).givenUp.push(one);
	return [...dumps].map(([path, dump]) => ({path, ...dump}));
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

function resumeTask(resumption: Resumption, dump: LeftDump): Task {
	const {run, places} = resumption;
	const stores = new Set(uploadsOf(dump).map(({options}) => options.storage.kind));
	const sizes = dump.files.map(file => file.left[0]?.record.size ?? 0);
	return {
		plan: {
			id: `upload:${keyOf(dump)}`,
			kind: 'upload',
			name: nameOf(dump),
			stages: ['upload'],
			...(places.length > 1 && {places: [...stores]}),
			estimatedBytes: sizes.reduce((sum, size) => sum + size, 0),
		},
		async run(control) {
			const why = await resumeDump(resumption, dump, control);
			if (why !== undefined) run.emit({type: 'job.result', job: control.id, result: 'skipped', detail: why});
		},
	};
}

function keyOf(dump: LeftDump): string {
	const key = uploadsOf(dump)[0]?.record.key ?? dump.path;
	return dump.directory ? key.slice(0, key.lastIndexOf('.d/') + 2) : key;
}

/** Returns the path relative to the directory of its records. */
function nameOf(dump: LeftDump): string {
	const [left] = uploadsOf(dump);
	return left === undefined ? dump.path : relative(dirname(left.recordFile), dump.path);
}
