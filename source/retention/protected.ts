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

/** Collects old groups that are not purged: one line for each reason, for any number of them. */
export type ProtectedWarnings = {
	/** Called for the groups of one subject after the other, newest first. */
	readonly add: (subject: object, group: PurgeGroup) => void;
	readonly lines: () => readonly string[];
};

export function createProtectedWarnings(): ProtectedWarnings {
	const kinds = new Map<string, {subject: object; shown: PurgeGroup; count: number}>();
	return {
		add(subject, group) {
			const kind = group.foreign ? 'foreign' : group.hidden ? 'hidden' : 'other';
			const known = kinds.get(kind) ?? {subject, shown: group, count: 0};
			kinds.set(kind, known);
			known.count++;
			// The oldest one of the first subject.
			if (known.subject === subject) known.shown = group;
		},
		lines: () =>
			Object.entries(advices).flatMap(([kind, advice]) => {
				const {shown, count} = kinds.get(kind) ?? {count: 0};
				if (shown?.protectedBecause === undefined) return [];
				const more = count > 1 ? `, and ${plural(count - 1, 'other dump')}` : '';
				return [`not purged, although old: ${nameOf(shown)} (${shown.protectedBecause})${more}; ${advice}`];
			}),
	};
}

const advices = {
	foreign: 'its owner can purge or remove it',
	hidden: 'repair that manifest, or remove it to purge by the names of the files',
	other: 'the runs of that server purge them; give each server its own upload_prefix',
};
