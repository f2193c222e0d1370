/**
 * Loads an archive while it is downloaded: data over one connection, indexes over others, for which the table of
 * contents is sufficient.
 */
import {type FileHandle, open} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import {type ArchiveEntry, ArchiveTocParser} from '../postgres/archive-toc.js';
import {tableBegunIn} from '../progress/load-tracker.js';
import {dumpBytes} from './dump-bytes.js';
import {EarlyBuilds} from './early-builds.js';
import type {FillContext} from './fill-context.js';
import {type LoadCommon, loadEntries} from './load-entries.js';
import type {LoadOrder} from './load-order.js';
import {itemName} from './restore-items.js';
import type {DatabasePlan} from './restore-plan.js';
import {together} from './together.js';

export type StreamPart = {
	readonly order: LoadOrder;
	/** The path of a new file for the table of contents, which the caller removes. */
	readonly head: string;
};

/** Loads a stream. The stage `download` ends with the last byte, after which the checksum in the manifest is compared. */
export async function loadStream(
	context: FillContext,
	plan: DatabasePlan,
	common: LoadCommon,
	part: StreamPart,
): Promise<void> {
	if (plan.jobs > 1) await loadInParts(context, plan, common, part);
	else await loadData(context, plan, common, {...part, entries: part.order.early});
}

/** While data arrives, one more connection builds the indexes of tables that are loaded; the rest follows over all. */
async function loadInParts(
	context: FillContext,
	plan: DatabasePlan,
	common: LoadCommon,
	{order, head}: StreamPart,
): Promise<void> {
	const {control, tracker} = common;
	const {toc} = plan.prepared;
	if (!toc) throw new PgBackError('BUG', 'a stream without a table of contents');
	const builds = new EarlyBuilds(toc, order, tracker.job.items);
	const queue = new BuildQueue(order.data, builds);
	const entries = [...order.before, ...order.data.map(({dumpId}) => dumpId)];
	const load = async (signal: AbortSignal): Promise<void> => {
		const own = {...common, control: {...control, signal}};
		try {
			await loadData(context, plan, own, {order, head, entries, onTable: name => queue.begun(name)});
		} finally {
			queue.end();
		}
	};
	const build = async (signal: AbortSignal): Promise<void> => {
		for (let ids = await queue.next(); ids; ids = await queue.next()) {
			// Its messages would be taken for those about the data.
			const own = {...common, control: {...control, signal}, tracker: undefined};
			await loadEntries(context, plan, {...own, path: head, entries: ids, jobs: 1});
		}
	};
	// A drill reports all errors of the archive: one that is met early would hide the others.
	await together(control.signal, context.isDrill ? [load] : [load, build]);
	tracker.dataEnded(context.run.now().getTime());
	await loadEntries(context, plan, {...common, path: head, entries: builds.rest(order.after), jobs: plan.jobs});
}

async function loadData(
	context: FillContext,
	plan: DatabasePlan,
	common: LoadCommon,
	{
		head,
		entries,
		onTable,
	}: StreamPart & {
		readonly entries: readonly number[] | undefined;
		/** Called when the data of a table begins. */
		readonly onTable?: (name: string) => void;
	},
): Promise<void> {
	const {meter, signal} = common.control;
	const bytes = dumpBytes(context.source, plan.prepared.dump.path, signal, count => meter.count('download', count));
	const handle = await open(head, 'wx', 0o600);
	try {
		await loadEntries(context, plan, {
			...common,
			tracker: {
				note(line, time) {
					const table = tableBegunIn(line);
					if (table !== undefined) onTable?.(table);
					return common.tracker.note(line, time);
				},
			},
			path: undefined,
			source: savingHead(bytes, handle),
			entries,
			jobs: 1,
		});
		meter.finish('download');
	} finally {
		await handle.close();
	}
}

/** Passes everything on, and writes the table of contents to the file. Throws CORRUPT for an archive without one. */
async function* savingHead(bytes: AsyncIterable<Uint8Array>, handle: FileHandle): AsyncGenerator<Uint8Array> {
	const parser = new ArchiveTocParser();
	let written = 0;
	for await (const chunk of bytes) {
		if (!parser.toc()) {
			const rest = parser.push(chunk);
			const own = chunk.byteLength - (rest?.byteLength ?? 0);
			await handle.writeFile(chunk.subarray(0, own));
			written += own;
		}
		yield chunk;
	}
	if (parser.toc()?.size !== written)
		throw new PgBackError('CORRUPT', 'the archive ends within its table of contents', {hint: 'restore another run'});
}

/** What can be built while data arrives: `pg_restore -v` says when the data of a table begins, so that the one before is loaded. */
class BuildQueue {
	readonly #builds: EarlyBuilds;
	/** The entries that have not begun, by the name that is printed. */
	readonly #waiting: Map<string, ArchiveEntry[]>;
	#current: ArchiveEntry | undefined;
	#isEnded = false;
	#wake: () => void = () => undefined;

	constructor(data: readonly ArchiveEntry[], builds: EarlyBuilds) {
		this.#builds = builds;
		this.#waiting = Map.groupBy(data, itemName);
	}

	begun(table: string): void {
		const loaded = this.#current;
		this.#current = this.#waiting.get(table)?.shift();
		if (loaded) this.#builds.loaded(loaded);
		this.#wake();
	}

	/** No more data arrives: what is not being built is left for all connections. */
	end(): void {
		this.#isEnded = true;
		this.#wake();
	}

	/** Resolves to the dump IDs of what can be built, or to undefined at the end. */
	async next(): Promise<readonly number[] | undefined> {
		while (!this.#builds.isReady && !this.#isEnded) await new Promise<void>(resolve => (this.#wake = resolve));
		return this.#isEnded ? undefined : this.#builds.take();
	}
}
