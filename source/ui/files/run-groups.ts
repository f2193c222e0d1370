/** Assigns dumps to runs: by the manifest that names them, else by the time in their names. */
import {createColumn} from '../../lib/columns.js';
import {copyOf} from './packed-names.js';

export type RunGroups = {
	readonly put: (dump: number, id: string) => void;
	/** Returns the number of the dump's run; it stays the same when another run takes its dumps. */
	readonly of: (dump: number) => number;
	readonly id: (run: number) => string;
	/** The number of runs, without the group of foreign names, which has an empty id. */
	readonly known: () => number;
};

export function createRunGroups(): RunGroups {
	const ids: string[] = [];
	const numbers = new Map<string, number>();
	/** Dumps by run. */
	const sizes: number[] = [];
	/** Numbers plus one. */
	const runOf = createColumn('integer');
	let known = 0;
	const numberOf = (id: string): number => {
		const found = numbers.get(id);
		if (found !== undefined) return found;
		const copy = copyOf(id);
		ids.push(copy);
		sizes.push(0);
		numbers.set(copy, ids.length - 1);
		return ids.length - 1;
	};
	const resize = (run: number, by: 1 | -1) => {
		const before = sizes[run] ?? 0;
		sizes[run] = before + by;
		if (ids[run] === '') return;
		if (before === 0) known++;
		else if (before + by === 0) known--;
	};
	return {
		put(dump, id) {
			const before = runOf.get(dump) - 1;
			const run = numberOf(id);
			if (before === run) return;
			if (before >= 0) resize(before, -1);
			resize(run, 1);
			runOf.set(dump, run + 1);
		},
		of: dump => runOf.get(dump) - 1,
		id: run => ids[run] ?? '',
		known: () => known,
	};
}
