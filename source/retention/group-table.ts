/**
 * The groups of one subject at one place, in eight bytes each: a listing may have a million. What a group has in
 * addition (a manifest, a lock, a pin, why it is protected) is in an object of its own.
 */
import {createColumn} from '../lib/columns.js';
import type {ParsedName} from './names.js';
import type {Outcome} from './policy.js';
import type {PurgeGroup} from './purge-plan.js';
import type {Shapes} from './shapes.js';
import {createTimeRows} from './time-rows.js';

export type OwnGroup = {-readonly [K in keyof PurgeGroup]: PurgeGroup[K]};

export type GroupTable = {
	readonly stem: string;
	readonly size: () => number;
	/** Returns the row of the group with the time of a name; a new one has no files yet. */
	readonly rowOf: (parsed: ParsedName) => number;
	/** Like `rowOf`; undefined if there is none. */
	readonly find: (parsed: ParsedName) => number | undefined;
	/** Adds a file by the part of its path after the time, or (undefined) a directory dump. */
	readonly addFile: (row: number, tail: string | undefined, whole: boolean) => void;
	/** Returns the object of a group that has one; it may be changed. */
	readonly ownOf: (row: number) => OwnGroup | undefined;
	/** Gives the group an object. */
	readonly own: (row: number) => OwnGroup;
	/** Milliseconds since the epoch. */
	readonly timeOf: (row: number) => number;
	readonly isWhole: (row: number) => boolean;
	/** Returns the object of the group, or makes one that is not kept. */
	readonly group: (row: number) => PurgeGroup;
	/** Yields the rows, newest group first. */
	readonly newestFirst: () => Iterable<number>;
	readonly outcomeOf: (row: number) => Outcome | undefined;
	readonly decide: (row: number, outcome: Outcome) => void;
};

/** The tables of a plan share `shapes` and `outcomes`: few differ. */
export function createGroupTable(stem: string, shapes: Shapes, outcomes: Outcomes): GroupTable {
	const rows = createTimeRows(shapes);
	const owned = new Map<number, OwnGroup>();
	const decided = createDecided(outcomes);
	/** The order of the rows where it is not that of the listing. */
	let sorted: readonly number[] | undefined;

	const shapeOf = (row: number) => shapes.at(rows.shapeOf(row));
	const timeOf = (row: number) => owned.get(row)?.time ?? rows.timeOf(row);

	function group(row: number): PurgeGroup {
		const own = owned.get(row);
		if (own) return own;
		const {tails, whole, directory} = shapeOf(row);
		const [timeText, time] = [rows.textOf(row), rows.timeOf(row)];
		return {timeText, time, whole, current: false, stem, tails, directory, record: undefined};
	}

	function own(row: number): OwnGroup {
		sorted = undefined; // its time may be changed
		const made = owned.get(row) ?? {...group(row)};
		owned.set(row, made);
		return made;
	}

	function isInOrder(): boolean {
		if (!rows.isAscending()) return false;
		for (const [row, {time}] of owned) if (time !== rows.timeOf(row)) return false;
		return true;
	}

	return {
		stem,
		size: rows.size,
		find: rows.find,
		rowOf(parsed) {
			sorted = undefined;
			return rows.find(parsed) ?? rows.add(parsed);
		},
		addFile(row, tail, whole) {
			const shape = owned.has(row) ? undefined : shapes.with(rows.shapeOf(row), tail, whole);
			if (shape !== undefined) return rows.setShape(row, shape);
			const one = own(row);
			if (tail === undefined) one.directory = true;
			else one.tails = [...one.tails, Buffer.from(tail).toString()];
			if (whole) one.whole = true;
		},
		ownOf: row => owned.get(row),
		own,
		timeOf,
		isWhole: row => owned.get(row)?.whole ?? shapeOf(row).whole,
		group,
		*newestFirst() {
			if (isInOrder()) for (let row = rows.size() - 1; row >= 0; row--) yield row;
			else
				yield* (sorted ??= Array.from({length: rows.size()}, (_, row) => row).sort(
					(a, b) => timeOf(b) - timeOf(a) || (rows.textOf(a) < rows.textOf(b) ? 1 : -1),
				));
		},
		...decided,
	};
}

/** The outcomes of rows. */
function createDecided(outcomes: Outcomes): Pick<GroupTable, 'outcomeOf' | 'decide'> {
	const ids = createColumn('short');
	const rare = new Map<number, Outcome>();
	return {
		outcomeOf: row => rare.get(row) ?? outcomes.at(ids.get(row)),
		decide(row, outcome) {
			const id = outcomes.idOf(outcome);
			rare.delete(row);
			if (id === undefined) rare.set(row, outcome);
			else ids.set(row, id);
		},
	};
}

/** Different outcomes with their numbers. */
export type Outcomes = {
	/** Returns undefined when there are too many for 16 bits. */
	readonly idOf: (outcome: Outcome) => number | undefined;
	readonly at: (id: number) => Outcome | undefined;
};

export function createOutcomes(): Outcomes {
	const ids = new Map<string, number>();
	/** 0: not decided. */
	const all: (Outcome | undefined)[] = [undefined];
	return {
		idOf({action, reason}) {
			const key = `${action} ${reason}`;
			const known = ids.get(key);
			if (known !== undefined || all.length > 0xff_ff) return known;
			ids.set(key, all.length);
			return all.push({action, reason}) - 1;
		},
		at: id => all[id],
	};
}
