/** The purge of a remote place, by the same policy. */
import {PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import {formatCount, plural} from '../lib/format.js';
import type {RemoveResult, Storage} from '../storage/storage.js';
import {subjectText, subjectTexts} from './names.js';
import type {HiddenRun} from './ownership.js';
import {readPins} from './pins.js';
import {createPlanner} from './planner.js';
import {purgeError, type PurgeErrors} from './purge.js';
import {
	canceledText,
	groupItems,
	hasManifest,
	isManifest,
	manifestPaths,
	type PlannedItem,
	type PurgeOptions,
	type PurgePlan,
} from './purge-plan.js';
import {createRemoval, type Removal, RemovalEnded} from './remote-removal.js';

export type RemotePurgeOptions = PurgeOptions & {
	readonly storage: Storage;
	/**
	 * Returns the directory of a subject, given its text in file names: upload prefix and the path relative to the backup
	 * directory, with a trailing slash; empty for the root.
	 */
	readonly directoryOf: (subjectText: string) => string;
	/** Lists every object of a directory dump in the plan. */
	readonly nameMembers?: boolean;
	/** Objects to ignore, such as those that this run uploads during the listing. */
	readonly ignores?: (key: string) => boolean;
	readonly hiddenRuns?: readonly HiddenRun[];
	readonly signal: AbortSignal;
};

/**
 * Plans with one listing of the common prefix of all places; changes nothing. A failed listing gives an empty plan and
 * its error.
 */
export async function planRemotePurge(options: RemotePurgeOptions): Promise<{plan: PurgePlan; errors: PurgeErrors}> {
	const {storage, signal} = options;
	const planner = createPlanner(options, options.directoryOf, {nameMembers: options.nameMembers === true});
	let pins: Awaited<ReturnType<typeof readPins>>;
	try {
		for await (const {key, size, directory, lockedUntil, doubt} of storage.list(commonPlace(options), {signal})) {
			if (options.ignores?.(key)) continue;
			planner.add({
				...{path: key, size, directory: directory === true},
				...(lockedUntil !== undefined && {lockedUntil}),
				...(doubt !== undefined && {doubt}),
			});
		}
		pins = await readPins(planner.pins(), options.readPin);
	} catch (error) {
		signal.throwIfAborted();
		return {
			plan: {location: storage.location, decisions: [], warnings: []},
			errors: [purgeError(`could not purge ${storage.location}`, error)],
		};
	}
	// A file that is not in the listing does not exist.
	return {plan: planner.plan(storage.location, {pins, hiddenRuns: options.hiddenRuns ?? []}), errors: []};
}

/** Milliseconds that running requests and the check of their results get when the purge is canceled. */
const cancelGrace = 5000;

/**
 * Executes a plan: manifests first; files with a manifest that could not be removed are kept. Removes in batches.
 * Returns one error for each file that could not be removed; a remote that becomes unreachable is one error, and ends
 * it. Rejects only when `signal` aborts, and then logs what is removed.
 */
export async function executeRemotePurge(
	plan: PurgePlan,
	{storage, emit, signal}: {readonly storage: Storage; readonly emit: Emit; readonly signal: AbortSignal},
): Promise<PurgeErrors> {
	const reports = createReports(plan, emit, signal);
	const grace = abortAfter(signal, cancelGrace);
	const removal = createRemoval(storage, {signal: grace.signal, stop: signal}, reports);
	try {
		await carryOut(plan, removal, {emit, signal});
	} catch (error) {
		if (signal.aborted) reports.canceled();
		signal.throwIfAborted();
		if (!(error instanceof RemovalEnded)) throw error;
		if (error.reason !== undefined) reports.errors.push(purgeError(`could not purge ${plan.location}`, error.reason));
	} finally {
		grace.stop();
	}
	return reports.all();
}

/** Returns a signal that aborts `milliseconds` after another one. */
function abortAfter(signal: AbortSignal, milliseconds: number) {
	const controller = new AbortController();
	let timer: NodeJS.Timeout | undefined;
	const start = () => (timer = setTimeout(() => controller.abort(signal.reason), milliseconds));
	if (signal.aborted) controller.abort(signal.reason);
	else signal.addEventListener('abort', start, {once: true});
	return {
		signal: controller.signal,
		stop() {
			signal.removeEventListener('abort', start);
			clearTimeout(timer);
		},
	};
}

/** Logs what became of each file, and collects the errors. */
function createReports({location, decisions}: PurgePlan, emit: Emit, signal: AbortSignal) {
	const errors: PgBackError[] = [];
	const unchecked: RemoveResult[] = [];
	let removed = 0;
	const say = (text: string) => emit({type: 'log', level: 'info', text: display(text)});
	return {
		errors,
		done(item: PlannedItem, result: RemoveResult, gone: number) {
			const {path, reason} = item;
			const {error, kept} = result;
			if (result.unchecked !== undefined) {
				unchecked.push(result);
				const known = result.unchecked === 'confirmed' ? 'confirmed by the service' : 'requested';
				say(`removing ${path}: ${reason} (${known}, but not checked)`);
			} else if (error !== undefined) {
				if (signal.aborted) {
					if (gone > 0) say(`removing ${path}: ${plural(gone, 'file')} of it, then canceled`);
				} else errors.push(removalError(path, location, error));
			} else if (kept === undefined) {
				removed++;
				emit({type: 'file.removed', path, location, reason});
			} else emit({type: 'file.kept', path, location, reason: kept, locked: true});
		},
		/** Returns the errors; one for all that could not be checked. */
		all: (): PurgeErrors => (unchecked.length === 0 ? errors : [...errors, uncheckedError(location, unchecked)]),
		canceled() {
			for (const {message} of errors) emit({type: 'log', level: 'error', text: message});
			const uncertain =
				unchecked.length === 0 ? '' : `; of ${formatCount(unchecked.length)} more the outcome is not known`;
			emit({type: 'log', level: 'warn', text: display(canceledText(location, removed, decisions) + uncertain)});
		},
	};
}

function uncheckedError(location: string, results: readonly RemoveResult[]): PgBackError {
	const [first] = results;
	const cause = first?.error?.cause ?? first?.error;
	return purgeError(
		`the removal of ${plural(results.length, 'file')} from ${location} was confirmed, but could not be checked`,
		cause,
	);
}

async function carryOut(
	plan: PurgePlan,
	removal: Removal,
	{emit, signal}: {readonly emit: Emit; readonly signal: AbortSignal},
): Promise<void> {
	const {location} = plan;
	for (const decision of plan.decisions) {
		if (decision.action === 'keep' || !hasManifest(decision.group)) continue;
		for (const item of groupItems(decision)) if (isManifest(item.path)) await removal.add(item);
	}
	const stuck = await removal.flush();
	for (const decision of plan.decisions) {
		const {record} = decision.group;
		const held = record !== undefined && manifestPaths(record).some(path => stuck.has(path));
		for (const item of groupItems(decision)) {
			signal.throwIfAborted();
			if (decision.action === 'remove' && isManifest(item.path)) continue;
			if (held || item.action === 'keep') {
				const reason = held ? 'its manifest could not be removed' : item.reason;
				const locked = !held && reason === decision.group.locked;
				emit({type: 'file.kept', path: item.path, location, reason, ...(locked && {locked})});
			} else if (item.directory) await removal.directory(item);
			else await removal.add(item);
		}
	}
	await removal.flush();
}

/** A storage's message already names the key, the place and the cause. */
function removalError(path: string, location: string, error: unknown): PgBackError {
	const isComplete = error instanceof PgBackError && error.message.startsWith(`could not remove ${display(path)}`);
	return isComplete ? error : purgeError(`could not remove ${path} from ${location}`, error);
}

/** Plans and executes. */
export async function purgeRemote(options: RemotePurgeOptions & {readonly emit: Emit}): Promise<PurgeErrors> {
	const {plan, errors} = await planRemotePurge(options);
	for (const text of plan.warnings) options.emit({type: 'log', level: 'warn', text});
	return [...errors, ...(await executeRemotePurge(plan, options))];
}

/** Returns the longest directory that contains all places, as a prefix of keys. */
function commonPlace(options: RemotePurgeOptions): string {
	const texts = options.subjects.flatMap(({subject}) => subjectTexts(subject, options.databases));
	const places = [...texts, subjectText({kind: 'run'})].map(options.directoryOf);
	let common = places[0] ?? '';
	for (const place of places) while (!place.startsWith(common)) common = common.slice(0, -1);
	return common.slice(0, common.lastIndexOf('/') + 1);
}
