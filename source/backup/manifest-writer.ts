/** Writes the run's manifest, when all files in it are durable: locally, and at the remote. */
import {isSystemError, type PgBackError, toPgBackError} from '../core/errors.js';
import {splitManifest} from '../repository/manifest.js';
import {type PendingFile, publishAll} from '../stages/artifact.js';
import {JobMeter} from '../stages/meter.js';
import {JobUploads, type Shipped} from '../stages/upload.js';
import {describeRun} from './describe-run.js';
import {manifestPath, type ManifestStep, writeManifestFiles} from './manifest-files.js';
import {writeShardManifest} from './shard-manifest.js';

/**
 * Adds the written files to `published`. Throws when the manifest could not be written or uploaded: the run then counts
 * as incomplete. Returns the failures when it is stored at some of several places.
 */
export async function writeManifest(step: ManifestStep): Promise<readonly PgBackError[]> {
	const {run, published, takeOver, shard} = step;
	if (published.jobs().length + published.adopted().length === 0 && !shard) return [];
	const described = describeRun(step);
	const shrunk = await step.findShrunk(described);
	const texts = splitManifest({...described, ...(shrunk.length > 0 && {shrunk})});
	await step.locks.directoryOf(manifestPath(step, step.start, 'manifest.json'));
	if (takeOver) {
		await writeShardManifest(step, texts, takeOver);
		return [];
	}
	const meter = new JobMeter('manifest', run.emit);
	const uploads = step.uploads.length > 0 ? new JobUploads(step.uploads, 'manifest', meter, run.signal) : undefined;
	const isTaken = (time: number) => isTakenElsewhere(step, time);
	const files = await inFreeSecond(step.start, isTaken, async time => {
		const written = await writeManifestFiles(step, texts, {time});
		return uploads ? uploads.publish(written) : publishAll(written, 'manifest', run.emit);
	});
	const {shipments, failure}: Shipped = (await uploads?.ship(files)) ?? {shipments: []};
	published.add({job: 'manifest', subject: {kind: 'run'}, files, shipments, time: step.start});
	if (failure === undefined) return [];
	if (shipments.length === 0 || run.signal.aborted) throw failure as Error;
	const error = toPgBackError(failure);
	run.emit({type: 'log', level: 'error', text: error.message});
	return [error];
}

/** Another run may have started in the same second: the name has the time, the content the run. */
async function inFreeSecond(
	start: number,
	isTaken: (time: number) => Promise<boolean>,
	write: (time: number) => Promise<readonly PendingFile[]>,
): Promise<readonly PendingFile[]> {
	for (let time = start; ; time += 1000) {
		if (time < start + mostSeconds && (await isTaken(time))) continue;
		try {
			return await write(time);
		} catch (error) {
			if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
		}
	}
}

/** Milliseconds. A store that claims to have every key is told by the upload. */
const mostSeconds = 60_000;

/**
 * Returns true if a run of another machine, in another backup directory, has given the name to its manifest at one of
 * the places. Databases of several servers may share a place without a prefix, as with pg_back 2.6.
 */
async function isTakenElsewhere({run, uploads}: ManifestStep, time: number): Promise<boolean> {
	const path = manifestPath({run}, time, 'manifest.json');
	const found = await Promise.all(
		uploads.map(async ({storage, keyFor}) =>
			storage.stat(keyFor(path), {signal: run.signal}).catch(() => {
				run.signal.throwIfAborted();
				return undefined; // may not be read, or cannot be reached: the upload will tell
			}),
		),
	);
	return found.some(info => info !== undefined);
}
