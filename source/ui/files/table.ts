/** A compact listing of any length: names, the dumps that they belong to, and the runs of these. */
import type {DumpVerdict, ListedFile, RunSummary} from '../../core/handle.js';
import {createColumn} from '../../lib/columns.js';
import {createDumpTable, type DumpTable} from './dumps.js';
import {createPackedNames} from './packed-names.js';
import {createRunGroups, type RunGroups} from './run-groups.js';

export type FileTable = {
	readonly count: () => number;
	readonly add: (file: ListedFile) => void;
	readonly key: (row: number) => string;
	readonly size: (row: number) => number;
	/** Milliseconds since the epoch, from the name or else the last change; 0 if unknown. */
	readonly time: (row: number) => number;
	readonly isEncrypted: (row: number) => boolean;
	readonly isChecksum: (row: number) => boolean;
	/** True while all names have arrived in ascending order. */
	readonly isSorted: () => boolean;
	readonly dumps: DumpTable;
	readonly runs: RunGroups;
	/** How well a dump is verified; undefined if no manifest says. */
	readonly verdict: (dump: number) => DumpVerdict['verdict'] | undefined;
	/** When a drill restored it, in milliseconds since the epoch; 0 if none has. */
	readonly provenAt: (dump: number) => number;
	/** Adds the facts of a manifest to its run; those about names that are not listed yet are added by `settle`. */
	readonly apply: (summary: RunSummary) => void;
	readonly settle: () => void;
};

const verdicts = ['none', 'hashed', 'verified', 'restored', 'proven'] as const;
const encryptedFlag = 1;
const checksumFlag = 2;

export function createFileTable(): FileTable {
	let count = 0;
	const names = createPackedNames();
	const sizes = createColumn('float');
	const times = createColumn('float');
	const flags = createColumn('byte');
	const dumps = createDumpTable(names.at);
	const runs = createRunGroups();
	/** By dump: the index in `verdicts` plus one. */
	const verdict = createColumn('byte');
	const provenAt = createColumn('float');
	let waiting: (readonly [run: string, file: DumpVerdict])[] = [];

	function take(run: string, file: DumpVerdict): void {
		const dump = dumps.find(file);
		if (dump === undefined) return void waiting.push([run, file]);
		runs.put(dump, run);
		// The verdict on a companion (createdb.sql) says less than that on the dump itself.
		if (verdicts.indexOf(file.verdict) + 1 > verdict.get(dump)) verdict.set(dump, verdicts.indexOf(file.verdict) + 1);
		if (file.at !== undefined) provenAt.set(dump, file.at);
	}

	return {
		count: () => count,
		add(file) {
			const {key, size, modified, name} = file;
			names.add(key);
			sizes.set(count, size);
			times.set(count, name?.time ?? modified ?? 0);
			flags.set(count, (name?.encrypted ? encryptedFlag : 0) | (name?.checksum === undefined ? 0 : checksumFlag));
			const before = dumps.count();
			const dump = dumps.add(file, count);
			if (dumps.count() > before) runs.put(dump, name?.timeText ?? '');
			count++;
		},
		key: names.at,
		size: sizes.get,
		time: times.get,
		isEncrypted: row => (flags.get(row) & encryptedFlag) !== 0,
		isChecksum: row => (flags.get(row) & checksumFlag) !== 0,
		isSorted: names.isSorted,
		dumps,
		runs,
		verdict: dump => verdicts[verdict.get(dump) - 1],
		provenAt: provenAt.get,
		apply(summary) {
			for (const file of summary.dumps ?? []) take(summary.run, file);
		},
		settle() {
			const before = waiting;
			waiting = [];
			for (const [run, file] of before) take(run, file);
			// A name that was not listed does not exist.
			waiting = [];
		},
	};
}
