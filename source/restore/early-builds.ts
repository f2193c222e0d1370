/** Indexes and keys that are built as soon as their table is loaded, while other tables still arrive. */
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import type {RestoreItem} from '../progress/load-tracker.js';
import {copiedInto} from '../stages/dump-text.js';
import type {LoadOrder} from './load-order.js';
import {loadSteps} from './load-steps.js';
import {builtName} from './restore-items.js';

/** Bytes of data whose indexes one call builds: at the end of the data, a longer call would keep the other connections waiting. */
const portion = 16 << 20;

/** What can be built already, in portions. */
export class EarlyBuilds {
	readonly #tables: ReadonlyMap<number, Table>;
	readonly #ready: Build[] = [];
	readonly #taken = new Set<number>();

	/**
	 * Selects what depends on one table that has data and on nothing else that follows the data. Rows that are copied into
	 * another table than their own, as `--load-via-partition-root` does, may arrive in any table until the end: then nothing
	 * is built early. `items` are those of `restoreItems`, for the size of each index.
	 */
	constructor({entries}: ArchiveToc, order: LoadOrder, items: readonly RestoreItem[]) {
		const bytes = new Map(items.map(item => [item.name, item.bytes]));
		this.#tables = tablesOf(entries, order, entry => bytes.get(builtName(entry)) ?? portion);
	}

	/** To be called with each entry whose data is loaded. */
	loaded(data: ArchiveEntry): void {
		for (const id of data.dependencies) {
			const table = this.#tables.get(id);
			if (table && --table.waiting === 0) this.#ready.push(...table.builds);
		}
	}

	get isReady(): boolean {
		return this.#ready.length > 0;
	}

	/** Returns the dump IDs for the next call of pg_restore: one large index, or several small ones. */
	take(): readonly number[] {
		const ids: number[] = [];
		for (let cost = 0; cost < portion;) {
			const build = this.#ready.shift();
			if (!build) break;
			cost += build.cost;
			ids.push(build.dumpId);
			this.#taken.add(build.dumpId);
		}
		return ids;
	}

	/** Returns those of `after` that were not taken. */
	rest(after: readonly number[]): readonly number[] {
		return after.filter(id => !this.#taken.has(id));
	}
}

type Build = {
	readonly dumpId: number;
	/** Bytes, as of `portion`. */
	readonly cost: number;
};

type Table = {
	/** Entries with its data that are not loaded yet: several if it was divided. */
	waiting: number;
	readonly builds: readonly Build[];
};

/** Returns the tables with data by the dump ID of their definition. */
function tablesOf(
	entries: readonly ArchiveEntry[],
	order: LoadOrder,
	costOf: (entry: ArchiveEntry) => number,
): ReadonlyMap<number, Table> {
	const after = new Set(order.after);
	const parts = new Map<number, number>();
	for (const data of order.data) {
		if (data.kind !== 'TABLE DATA') continue;
		if (isCopiedElsewhere(data)) return new Map();
		for (const id of data.dependencies) parts.set(id, (parts.get(id) ?? 0) + 1);
	}
	const serial = new Set((loadSteps(entries, order.after) ?? []).flatMap(step => (step.isSerial ? step.ids : [])));
	const builds = new Map<number, Build[]>();
	for (const entry of entries) {
		const {dumpId, kind, dependencies} = entry;
		if (!['INDEX', 'CONSTRAINT'].includes(kind) || !after.has(dumpId) || serial.has(dumpId)) continue;
		const [table, ...others] = dependencies.filter(id => parts.has(id));
		if (table === undefined || others.length > 0 || dependencies.some(id => after.has(id))) continue;
		builds.set(table, [...(builds.get(table) ?? []), {dumpId, cost: costOf(entry)}]);
	}
	return new Map([...builds].map(([id, own]) => [id, {waiting: parts.get(id) ?? 0, builds: own}]));
}

function isCopiedElsewhere({copy, schema, tag}: ArchiveEntry): boolean {
	const into = copiedInto(copy, schema);
	return into.table !== tag || into.schema !== (schema ?? '');
}
