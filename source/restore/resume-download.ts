/** Downloads of single objects that continue after a failure, if the object is still the same. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {formatBytes} from '../lib/format.js';
import {algorithmsFor} from '../repository/checksum-files.js';
import type {Remote} from '../repository/remote.js';
import type {ConfiguredContext} from '../runs/context.js';
import type {RunLocks} from '../runs/run-locks.js';
import {counted} from '../stages/dump.js';
import type {JobMeter} from '../stages/meter.js';
import {
	downloadRecordPath,
	openPartialDownload,
	type PartialDownload,
	smallestResumed,
} from '../stages/partial-download.js';
import {isMissing, isReplaced} from '../storage/errors.js';
import type {StorageObject} from '../storage/storage.js';

export type ResumableDownload = {
	readonly run: ConfiguredContext;
	readonly remote: Remote;
	readonly locks: RunLocks;
	/** The keys of checksum files at the remote. */
	readonly checksums: ReadonlySet<string>;
	/** The final path. */
	readonly path: string;
	/** Of the job. */
	readonly signal: AbortSignal;
	readonly meter: Pick<JobMeter, 'count' | 'countPresent' | 'restart'>;
};

export type DownloadAttempt = {
	/** With its current size. */
	readonly object: StorageObject;
	/** What was received earlier, to append to; absent for a small object, or if another process uses it. */
	readonly partial: PartialDownload | undefined;
	/** The bytes after those. */
	readonly source: AsyncIterable<Uint8Array>;
};

/** Attempts at an object that is replaced again and again. */
const mostAttempts = 3;

/**
 * Calls `attempt`, which receives, verifies and publishes the object. If it fails, what was received is kept for the next
 * download of the same object, unless it is useless. If the object was replaced meanwhile, starts again with the new one.
 */
export async function downloadResumably(
	options: ResumableDownload,
	wanted: StorageObject,
	attempt: (one: DownloadAttempt) => Promise<void>,
): Promise<void> {
	const {run, remote, meter, signal} = options;
	const {key} = wanted;
	for (let object = wanted, attempts = 1; ; attempts++) {
		const held = await openHeld(options, object);
		const partial = held?.partial;
		try {
			await attempt({object, partial, source: sourceOf(options, object, partial)});
			await partial?.forget();
			return;
		} catch (error) {
			await endPartial(options, object, partial, error);
			if (!isReplaced(error) || attempts === mostAttempts) throw error;
			const now = await remote.storage.stat(key, {signal});
			if (!now) throw error;
			object = {...wanted, size: now.size};
			const text = `${display(key)} was replaced at ${remote.location}: downloading it from the beginning`;
			run.emit({type: 'log', level: 'warn', text});
			meter.restart('download');
		} finally {
			await held?.release();
		}
	}
}

/** Undefined if nothing is kept of this download. */
async function openHeld(options: ResumableDownload, {key, size}: StorageObject) {
	const {run, remote, locks, checksums, path, signal, meter} = options;
	if (size < smallestResumed) return undefined;
	const {location} = remote.storage;
	const lock = await locks.record(downloadRecordPath({path, location, key}));
	if (!lock) return undefined; // another process downloads the same
	try {
		const partial = await openPartialDownload({
			...{path, location, key, size, signal, run: run.tag},
			mode: run.configuration.settings.backupFileMode,
			algorithms: algorithmsFor(checksums, key),
			onRead: bytes => meter.countPresent('download', bytes),
		});
		const {problem, resumedFrom} = partial;
		if (problem !== undefined) {
			meter.restart('download');
			const text = `${display(key)}: what was received earlier is not used (${display(problem)}), starting from the beginning`;
			run.emit({type: 'log', level: 'warn', text});
		} else if (resumedFrom > 0) {
			const text = `${display(key)}: continuing after ${formatBytes(resumedFrom)} of ${formatBytes(size)}`;
			run.emit({type: 'log', level: 'info', text});
		}
		return {partial, release: lock.release};
	} catch {
		await lock.release();
		signal.throwIfAborted();
		meter.restart('download');
		return undefined; // a file of another user: an ordinary partial file fails with the reason, or works
	}
}

async function* sourceOf(
	{remote, signal, meter}: ResumableDownload,
	{key}: StorageObject,
	partial: PartialDownload | undefined,
): AsyncGenerator<Uint8Array> {
	let version: string | undefined;
	const onVersion = (found: string | undefined) => (version = found);
	const {resumedFrom: offset = 0} = partial ?? {};
	const bytes = remote.storage.get(key, {signal, offset, version: partial?.version, onVersion});
	for await (const chunk of counted(bytes, length => meter.count('download', length))) {
		// Later values are of a repeated request, and prove nothing about the bytes before it.
		if (partial?.hash.bytes === offset) await partial.setVersion(version);
		yield chunk;
	}
}

async function endPartial(
	{run, signal}: ResumableDownload,
	{key, size}: StorageObject,
	partial: PartialDownload | undefined,
	error: unknown,
): Promise<void> {
	if (!partial) return;
	const isCanceled = signal.aborted && !run.signal.aborted; // this download alone, by the user
	if (isCanceled || isUseless(error)) return partial.discard();
	const kept = await partial.keep();
	if (kept === 0) return;
	const text = `${display(key)}: kept ${formatBytes(kept)} of ${formatBytes(size)}, the next download continues there`;
	run.emit({type: 'log', level: 'info', text});
}

/** Returns true if the bytes are wrong, or of an object that does not exist any more. */
function isUseless(error: unknown): boolean {
	if (isReplaced(error) || isMissing(error)) return true;
	return error instanceof PgBackError && ['CORRUPT', 'WRONG_KEY', 'EXISTS'].includes(error.code);
}
