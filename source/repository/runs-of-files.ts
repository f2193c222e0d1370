/** Finds the runs that files belong to, and the run before one. */
import {PgBackError} from '../core/errors.js';
import type {RunOfFiles} from '../core/runs-handle.js';
import {display} from '../lib/display.js';
import {dumpPath, parsePath} from '../retention/names.js';
import type {StoreContext} from '../runs/context.js';
import {oneRun} from './find-run.js';
import type {LocationId} from './locations.js';
import {describePin, findPins, pinPath, pinSource} from './pins.js';
import {openPlace} from './place.js';
import {viewRuns} from './run-view.js';

/**
 * Returns the runs, oldest first. Files without a manifest are grouped by the time in their names; foreign files are
 * ignored.
 */
export async function runsOfFiles(
	run: StoreContext,
	location: LocationId,
	keys: readonly string[],
): Promise<readonly RunOfFiles[]> {
	const place = await openPlace(run, location);
	try {
		const manifests = await place.manifests(run.signal);
		const pins = await findPins(run.emit, pinSource(run.configuration, place), run.signal);
		const found = new Map<string, RunOfFiles>();
		for (const key of keys) {
			const parsed = parsePath(key);
			if (!parsed) continue;
			const path = dumpPath(key, parsed.member);
			const recorded = manifests.find(({manifest}) => manifest.files.some(file => file.path === path));
			const pin = recorded && pins.get(pinPath(recorded.path));
			const one: RunOfFiles = {
				run: recorded?.manifest.runId ?? parsed.timeText,
				time: recorded ? Date.parse(recorded.manifest.start) : parsed.time,
				...(pin && {pinned: describePin(pin.pin)}),
			};
			if (parsed.subject.kind !== 'run') found.set(one.run, one);
		}
		return [...found.values()].toSorted((a, b) => a.time - b.time);
	} finally {
		await place.close();
	}
}

/** Returns the id of the newest older run. Throws NOTHING_TO_DO without one. */
export async function runBefore(run: StoreContext, location: LocationId, after: string): Promise<string> {
	const place = await openPlace(run, location);
	try {
		const runs = await viewRuns(run.signal, place);
		const {time} = oneRun(runs, after, place.label);
		const before = runs.find(one => one.time < time && one.dumps.length > 0);
		if (before) return before.id;
		throw new PgBackError('NOTHING_TO_DO', `there is no run before ${display(after)} at ${display(place.label)}`, {
			hint: 'mark dumps of two runs to compare those',
		});
	} finally {
		await place.close();
	}
}

/** Returns whether a location has any encrypted file. */
export async function holdsEncrypted(run: StoreContext, location: LocationId): Promise<boolean> {
	const place = await openPlace(run, location);
	try {
		for await (const {path} of place.list(run.signal)) if (path.endsWith('.age')) return true;
		return false;
	} finally {
		await place.close();
	}
}
