/** Resumes the uploads of one dump: of a file, or of the members of a directory. */
import {dirname} from 'node:path';
import {isTableOfContents} from '../core/directory-dump.js';
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import type {StoreContext} from '../runs/context.js';
import type {Lock} from '../runs/file-lock.js';
import {runIsAlive, type RunLocks} from '../runs/run-locks.js';
import type {JobControl} from '../runs/scheduler.js';
import type {Meter} from '../stages/meter.js';
import {type PlaceEvent, placeMeters} from '../stages/place-meters.js';
import {hasRecordOfMember, removeLocalCopy} from '../stages/resume-local.js';
import {type LeftUpload, type Resumed, resumeUpload} from '../stages/resume-upload.js';
import type {UploadOptions} from '../stages/upload.js';
import {removeUploadRecord} from '../stages/upload-journal.js';

/** A file with the uploads that are left. */
export type LeftFile = {readonly path: string; readonly left: readonly LeftUpload[]};

/** An upload that cannot be resumed. */
export type GivenUp = {readonly left: LeftUpload; readonly file: string; readonly problem: string};

/** A dump with its files that are left: itself, or members of the directory. */
export type LeftDump = {
	readonly path: string;
	readonly directory: boolean;
	readonly files: readonly LeftFile[];
	readonly givenUp: readonly GivenUp[];
};

export function uploadsOf({files, givenUp}: LeftDump): readonly LeftUpload[] {
	return [...files.flatMap(file => file.left), ...givenUp.map(({left}) => left)];
}

export type Resumption = {
	readonly run: Pick<StoreContext, 'emit' | 'env'>;
	readonly locks: RunLocks;
	readonly places: readonly UploadOptions[];
	/** Called with one line for each upload that is given up. What it throws is a failure of the job. */
	readonly onGivenUp: (text: string) => void;
};

/** Members that are uploaded at once; the storage has its own limit for all jobs together. */
const filesAtOnce = 8;

/**
 * Resumes the uploads of one dump, to all places at the same time. Returns undefined when it is stored and checked;
 * otherwise why nothing was sent, such as that another run is responsible. All are tried; throws the first failure. The
 * table of contents of a directory is sent to a place that has all other members: with it the directory looks like a
 * dump.
 */
export async function resumeDump(
	resumption: Resumption,
	dump: LeftDump,
	control: JobControl,
): Promise<string | undefined> {
	const {run, places} = resumption;
	const {signal, meter} = control;
	const meters = metersOf(resumption, dump, control);
	const resumed: Resumed[] = [];
	const failures: Failure[] = [];
	const whys: string[] = [];
	const onSent = async (sent: readonly Resumed[]): Promise<void> => {
		resumed.push(...sent);
		for (const {left} of sent) await removeUploadRecord(left.recordFile);
	};
	const addFailure = (error: unknown): void => {
		signal.throwIfAborted();
		failures.push({error});
	};
	const resume = async (file: LeftFile): Promise<void> => {
		const why = await resumeFile(resumption, file, {control, meters, failures, onSent}).catch(addFailure);
		if (typeof why === 'string') whys.push(why);
	};
	const isLast = ({path}: LeftFile) => !dump.directory || isTableOfContents(path);
	const members = dump.files.filter(file => !isLast(file));
	const lane = async (): Promise<void> => {
		for (let next = members.shift(); next && !signal.aborted; next = members.shift()) await resume(next);
	};
	await Promise.all(Array.from({length: filesAtOnce}, lane));
	signal.throwIfAborted();
	for (const file of dump.files.filter(isLast)) {
		const left: LeftUpload[] = [];
		for (const one of file.left) if (!(await hasRecordOfMember(dump, one.options))) left.push(one);
		if (left.length < file.left.length && failures.length === 0) whys.push('another run is uploading its members');
		if (left.length > 0) await resume({...file, left});
	}
	// The records are gone: a record says that its file is here.
	if (failures.length === 0) await removeLocalCopy(dump, resumed, places, signal).catch(addFailure);
	for (const one of dump.givenUp) {
		const why = await giveUp(resumption, one, failures);
		if (why !== undefined) whys.push(why);
	}
	for (const [place, one] of meters)
		one.finish('upload', failures.some(each => each.place === place) ? 'failed' : 'done');
	const [failure, ...others] = failures;
	for (const {error} of others) run.emit({type: 'log', level: 'error', text: messageOf(error), job: control.id});
	if (failure) throw failure.error as Error;
	meter.finish('upload');
	return resumed.length === 0 ? whys[0] : undefined;
}

/** Removes the record, so that it is told once. Returns why nothing was uploaded, unless that is a failure. */
async function giveUp(resumption: Resumption, one: GivenUp, failures: Failure[]): Promise<string | undefined> {
	const {left, problem} = one;
	const held: Lock[] = [];
	try {
		// Another run may have uploaded the file and removed it meanwhile.
		const why = await lockUpload(resumption, left, held);
		if (why !== undefined) return why;
		await removeUploadRecord(left.recordFile);
		resumption.onGivenUp(display(`upload of ${left.record.key} is not resumed: ${problem}`));
		return problem;
	} catch (error) {
		failures.push({error, place: left.options});
		return undefined;
	} finally {
		for (const lock of held) await lock.release();
	}
}

type Meters = ReadonlyMap<UploadOptions, Meter>;

/** By place; empty in a run with one. */
function metersOf({run, places}: Resumption, dump: LeftDump, {id: job, meter}: JobControl): Meters {
	if (places.length < 2) return new Map();
	const left = [...new Set(uploadsOf(dump).map(({options}) => options))];
	const meters = placeMeters(
		meter,
		left.map(({storage}) => storage.kind),
		(event: PlaceEvent) => run.emit({...event, job}),
	);
	return new Map(meters.map((one, index) => [left[index] as UploadOptions, one]));
}

type Failure = {readonly error: unknown; readonly place?: UploadOptions | undefined};

type FileControl = {
	readonly control: JobControl;
	readonly meters: Meters;
	/** Receives the failures. */
	readonly failures: Failure[];
	/** Called with what was sent, before others can resume it. */
	readonly onSent: (sent: readonly Resumed[]) => Promise<void>;
};

/** Returns why another run is responsible for all of it, if it is. */
async function resumeFile(
	resumption: Resumption,
	{left}: LeftFile,
	{control: {id: job, signal, meter, freeSlot}, meters, failures, onSent}: FileControl,
): Promise<string | undefined> {
	const held: Lock[] = [];
	try {
		const lockOf = async (one: LeftUpload) => lockUpload(resumption, one, held);
		const whys = await Promise.all(left.map(lockOf));
		const ours = left.filter((_, index) => whys[index] === undefined);
		if (ours.length === 0) return whys[0];
		freeSlot();
		const results = await Promise.allSettled(
			ours.map(async (one): Promise<Resumed> => {
				const shipment = await resumeUpload(one, {job, signal, meter: meters.get(one.options) ?? meter});
				return {left: one, shipment};
			}),
		);
		signal.throwIfAborted();
		for (const [index, one] of results.entries())
			if (one.status === 'rejected') failures.push({error: one.reason, place: ours[index]?.options});
		const sent = results.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
		if (sent.length > 0) await onSent(sent);
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
