/**
 * `--pin` and `--unpin`: protects a run from the purge, or ends the protection, in the backup directory and at the
 * remote location.
 */
import {rm} from 'node:fs/promises';
import {hostname, userInfo} from 'node:os';
import {isSystemError, PgBackError, toPgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import {lstatIfThere, syncDirectory} from '../lib/files.js';
import {once} from '../lib/single-chunk.js';
import type {ConfiguredContext, RunResult, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {publishAll, writeArtifact} from '../stages/artifact.js';
import {describeRun, type Named, namesOfRun, oneRun, parseReference} from './find-run.js';
import type {FoundManifest} from './found-manifest.js';
import {backupLocation, type LocationId} from './locations.js';
import {describePin, findPins, type FoundPin, longestReason, type Pin, pinPath, pinSource, readPin} from './pins.js';
import {openPlace, type Place, remotePlace} from './place.js';
import {openRemote, shortRetries} from './remote.js';

/** Pins the run at every place where it exists; it must exist at one place at least. */
export async function pinRun(run: StoreContext, text: string): Promise<RunResult> {
	const {reason} = run.configuration.settings;
	if (reason.length > longestReason)
		throw new PgBackError('USAGE', `--reason: at most ${longestReason} characters, not ${reason.length}`);
	return atEachPlace(run, text, async (place, name) => {
		const runs = (await place.manifests(run.signal)).map(found => ({
			...namesOfRun(found.path, found.manifest),
			found,
		}));
		const {found} = oneRun(runs, name, place.label);
		await writePin(run, place, found);
	});
}

export async function unpinRun(run: StoreContext, text: string): Promise<RunResult> {
	return atEachPlace(run, text, async (place, name) => {
		const pins = await findPins(run.emit, pinSource(run.configuration, place), run.signal);
		const named = [
			...(await place.manifests(run.signal)).map(({path, manifest}) => ({
				...namesOfRun(path, manifest),
				path: pinPath(path),
			})),
			...orphans(pins),
		];
		const chosen = oneRun(uniqueByPath(named), name, place.label);
		const pin = pins.get(chosen.path);
		if (!pin)
			throw new PgBackError('NOTHING_TO_DO', `run ${describeRun(chosen)} is not pinned at ${display(place.label)}`);
		await removePin(run.signal, place, chosen.path);
		say(run.emit, 'info', `unpinned run ${describeRun(chosen)} at ${place.label}; it was ${describePin(pin.pin)}`);
	});
}

/** Returns pins without a manifest. */
function orphans(pins: ReadonlyMap<string, FoundPin>): readonly (Named & {readonly path: string})[] {
	return [...pins.values()].flatMap(({path, pin}) =>
		pin ? [{id: pin.runId, time: Date.parse(pin.time), timeTexts: [], path}] : [],
	);
}

function uniqueByPath<T extends {readonly path: string}>(all: readonly T[]): readonly T[] {
	return [...new Map(all.toReversed().map(one => [one.path, one])).values()].toReversed();
}

/** Tries every place. Fails if the run is at none of them, or if a place returns an error. */
async function atEachPlace(
	run: StoreContext,
	text: string,
	work: (place: Place, name: string) => Promise<void>,
): Promise<RunResult> {
	const {run: name, place: chosen} = parseReference(run, text);
	const {upload} = run.configuration.settings;
	const places: readonly LocationId[] = chosen === undefined ? [backupLocation, ...upload] : [chosen];
	const failures: PgBackError[] = [];
	const absent: PgBackError[] = [];
	for (const id of places) {
		try {
			const place =
				id === backupLocation ? await openPlace(run, id) : remotePlace(run, await openRemote(run, id, shortRetries));
			try {
				await work(place, name);
			} finally {
				await place.close();
			}
		} catch (error) {
			run.signal.throwIfAborted();
			const failure = toPgBackError(error);
			if (failure.code === 'NOTHING_TO_DO') absent.push(failure);
			else failures.push(failure);
		}
	}
	if (failures.length > 0 && places.length > 1) for (const failure of failures) say(run.emit, 'error', failure.message);
	if (failures.length === 0 && absent.length === places.length) return resultOf(absent.slice(0, 1), run.signal);
	for (const {message} of absent) say(run.emit, 'info', message);
	return resultOf(failures, run.signal);
}

async function writePin(run: StoreContext, place: Place, found: FoundManifest): Promise<void> {
	const {manifest, parts = [found.path]} = found;
	const path = pinPath(found.path);
	const named = describeRun({id: manifest.runId, time: Date.parse(manifest.start)});
	const {reason} = run.configuration.settings;
	const pin: Pin = {
		schema: 1,
		runId: manifest.runId,
		by: (run.env['SUDO_USER'] ?? run.env['LOGNAME'] ?? userInfo().username).slice(0, 200) || 'unknown',
		host: hostname(),
		time: run.now().toISOString(),
		...(reason !== '' && {reason}),
		files: manifest.files.map(file => file.path),
	};
	try {
		await createPin(run, place, path, Buffer.from(`${JSON.stringify(pin, null, '\t')}\n`));
	} catch (error) {
		if (!isExisting(error)) throw error;
		const before = await readPin(run.emit, pinSource(run.configuration, place), path, run.signal);
		if (!before?.pin)
			throw new PgBackError('EXISTS', `${display(path)} is there already and is no pin`, {
				hint: 'look at it, and remove it',
			});
		say(
			run.emit,
			'warn',
			`run ${named} at ${place.label} is ${describePin(before.pin)} already; to change that, --unpin it first`,
		);
		return;
	}
	// A concurrent purge that listed the place earlier may have removed the run.
	for (const manifestPath of parts) {
		if (await isThere(run.signal, place, manifestPath)) continue;
		throw new PgBackError('FAILED', `run ${named} at ${display(place.label)} was removed while it was being pinned`);
	}
	say(run.emit, 'info', `run ${named} at ${place.label} is ${describePin(pin)}`);
}

/** Creates a pin; never overwrites one. */
async function createPin(run: ConfiguredContext, place: Place, path: string, bytes: Buffer): Promise<void> {
	if (place.remote) {
		const source = {size: bytes.byteLength, read: (offset: number) => once(bytes.subarray(offset))};
		await place.remote.storage.put(path, source, {signal: run.signal, ifAbsent: true});
		return;
	}
	const {backupFileMode} = run.configuration.settings;
	const settings = {run: run.tag, mode: backupFileMode, extraAlgorithms: [], keepSource: false};
	const options = {plainPath: path, role: 'other', settings, signal: run.signal} as const;
	await publishAll([await writeArtifact(once(bytes), options)], 'pin', run.emit);
}

function isExisting(error: unknown): boolean {
	if (error instanceof PgBackError) return error.code === 'EXISTS' || isExisting(error.cause);
	return isSystemError(error) && error.code === 'EEXIST';
}

async function isThere(signal: AbortSignal, {remote}: Place, path: string): Promise<boolean> {
	if (remote) return (await remote.storage.stat(path, {signal: signal})) !== undefined;
	return (await lstatIfThere(path)) !== undefined;
}

async function removePin(signal: AbortSignal, {remote, label}: Place, path: string): Promise<void> {
	if (!remote) {
		await rm(path);
		await syncDirectory(path.slice(0, path.lastIndexOf('/')) || '/');
		return;
	}
	const [result] = await remote.storage.remove([path], {signal: signal});
	if (result?.error) throw result.error;
	if (result?.kept !== undefined)
		throw new PgBackError('STORAGE', `the pin ${display(path)} at ${display(label)} cannot be removed: ${result.kept}`);
}

function say(emit: Emit, level: 'info' | 'warn' | 'error', text: string): void {
	emit({type: 'log', level, text: display(text)});
}
