/** Which dumps a purge keeps because they belong, or may belong, to another user or server. Pure. */
import {plural} from '../lib/format.js';
import {parsePath} from './names.js';
import type {HiddenRun} from './ownership.js';
import {nameOf, type PurgeGroup, type RunRecord} from './purge-plan.js';
import {otherServer, type ServerIdentity} from './server-identity.js';

/** Between UTC-12 and UTC+14, in milliseconds. */
export const farthestZones = 26 * 3_600_000;

export function ofAnotherServer(record: RunRecord | undefined, own: ServerIdentity | undefined): string | undefined {
	const other = otherServer(record?.server, own);
	return other && `of ${other}`;
}

/** A dump in a manifest that was read is not of such a run. */
export function ofHiddenRun({record, time, timeText}: PurgeGroup, runs: readonly HiddenRun[]): string | undefined {
	if (record) return undefined;
	const isExact = (text: string | undefined) => text?.includes('T') ?? false;
	const run = runs.find(({path, from, until}) => {
		const zones = isExact(timeText) && isExact(parsePath(path)?.timeText) ? 0 : farthestZones;
		// Names have no fractions of a second, and the clock of a remote place is another one.
		return time > from - 1000 - zones && time <= until + clockDifference + zones;
	});
	return run && `of a run whose manifest cannot be read (${run.path.slice(run.path.lastIndexOf('/') + 1)})`;
}

/** Milliseconds by which the clocks of a host and of a place may differ. */
const clockDifference = 3_600_000;

/** Returns one line for each reason, for any number of files. */
export function protectedWarnings(groups: readonly PurgeGroup[]): string[] {
	const kinds = Map.groupBy(groups, ({foreign, hidden}) => (foreign ? 'foreign' : hidden ? 'hidden' : 'other'));
	return [
		...protectedWarning(kinds.get('foreign'), 'its owner can purge or remove it'),
		...protectedWarning(kinds.get('hidden'), 'repair that manifest, or remove it to purge by the names of the files'),
		...protectedWarning(
			kinds.get('other'),
			'the runs of that server purge them; give each server its own upload_prefix',
		),
	];
}

function protectedWarning(groups: readonly PurgeGroup[] = [], advice: string): string[] {
	const [first] = groups;
	if (first?.protectedBecause === undefined) return [];
	const more = groups.length > 1 ? `, and ${plural(groups.length - 1, 'other dump')}` : '';
	return [`not purged, although old: ${nameOf(first)} (${first.protectedBecause})${more}; ${advice}`];
}
