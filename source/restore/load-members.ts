/**
 * Loads a directory dump without storing it: pg_restore creates the tables from toc.dat alone, several processes load
 * one member after the other while it is fetched, and pg_restore builds the rest.
 */
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import type {JobControl} from '../runs/scheduler.js';
import {completeCopy} from '../stages/copy-data.js';
import {copiedInto, type TextRows} from '../stages/dump-text.js';
import {memberArchive, type MemberBlock, type MemberPart} from '../stages/member-archive.js';
import {needsRows} from './compare-restored.js';
import {dumpBytes, fetchMembers} from './dump-bytes.js';
import {
	compressionOf,
	largeObjects,
	type MemberBatch,
	memberBatches,
	type MemberFiles,
	memberFiles,
} from './dump-members.js';
import {EarlyBuilds} from './early-builds.js';
import type {FillContext} from './fill-context.js';
import {loadArchive} from './load.js';
import {type LoadCommon, loadEntries} from './load-entries.js';
import type {LoadOrder} from './load-order.js';
import {openInOrder, plainMember} from './member-bytes.js';
import {textOf, tocMember} from './prepare-dumps.js';
import {itemName} from './restore-items.js';
import type {DatabasePlan} from './restore-plan.js';
import {together} from './together.js';
import {workPath} from './work-path.js';

export type OpenedMembers = {
	readonly order: LoadOrder;
	/** A directory with only toc.dat. */
	readonly directory: string;
	readonly bytes: Buffer;
	readonly toc: ArchiveToc;
	readonly files: MemberFiles;
	readonly batches: readonly MemberBatch[];
};

/** Fetches the table of contents, and finds all members. The caller removes the directory. Throws CORRUPT. */
export async function openMembers(
	{source, directory, options}: FillContext,
	{prepared}: DatabasePlan,
	order: LoadOrder,
	{meter, signal}: JobControl,
): Promise<OpenedMembers> {
	const {dump, toc} = prepared;
	if (!toc) throw new PgBackError('BUG', 'members of a dump without a table of contents');
	const head = {path: workPath(directory, dump.path, 'directory'), files: [tocMember(dump)]};
	const path = await fetchMembers(source, head, {signal, onBytes: bytes => meter.count('download', bytes)});
	const files = memberFiles(dump);
	const data = options.data ? order.data : [];
	const sizes = new Map(data.map(entry => [entry, files.find(entry.member ?? '').size]));
	const lists = data.filter(({kind}) => kind === 'BLOBS').length;
	const large = dump.files.reduce((sum, file) => sum + (/\/blob_[^/]*$/.test(file.path) ? file.size : 0), 0);
	const sizeOf = (entry: ArchiveEntry) => (sizes.get(entry) ?? 0) + (entry.kind === 'BLOBS' ? large / lists : 0);
	const bytes = await readFile(join(path, 'toc.dat'));
	return {order, directory: path, bytes, toc, files, batches: memberBatches(toc, data, sizeOf)};
}

/** Returns the rows of the tables, if they are to be compared. The stage `download` ends with the last member. */
export async function loadMembers(
	context: FillContext,
	plan: DatabasePlan,
	common: LoadCommon,
	members: OpenedMembers,
): Promise<readonly TextRows[] | undefined> {
	const {run} = context;
	const {control, tracker} = common;
	const {directory: path, order, toc, batches} = members;
	await loadEntries(context, plan, {...common, path, entries: order.before, jobs: 1});
	const rows = needsRows(context, plan) ? new Map<string, TextRows>() : undefined;
	// A divided table is loaded when its last part is.
	const left = new Map<string, number>();
	for (const entry of batches.flatMap(batch => batch.entries))
		left.set(itemName(entry), (left.get(itemName(entry)) ?? 0) + 1);
	let next = 0;
	const builds = new EarlyBuilds(toc, order, tracker.job.items);
	const busy = {loading: 0, building: 0};
	// Half of the connections load as long as there is data, so that the network does not wait. A drill reports all errors
	// of the dump: one that is met early would hide the others.
	const canBuild = () =>
		context.isDrill !== true &&
		builds.isReady &&
		(next < batches.length ? busy.building < Math.floor(plan.jobs / 2) : busy.loading > 0);
	const worker = async (signal: AbortSignal) => {
		const own = {...common, control: {...control, signal}};
		for (;;) {
			signal.throwIfAborted();
			if (canBuild()) {
				busy.building++;
				// Its messages would be taken for those about the data.
				await loadEntries(context, plan, {...own, tracker: undefined, path, entries: builds.take(), jobs: 1});
				busy.building--;
				continue;
			}
			const batch = batches[next++];
			if (!batch) return;
			busy.loading++;
			await loadBatch(context, plan, own, {members, batch, rows, left});
			busy.loading--;
			for (const entry of batch.entries) builds.loaded(entry);
		}
	};
	await together(
		control.signal,
		Array.from({length: Math.min(plan.jobs, batches.length)}, () => worker),
	);
	control.meter.finish('download');
	tracker.dataEnded(run.now().getTime());
	await loadEntries(context, plan, {...common, path, entries: builds.rest(order.after), jobs: plan.jobs});
	return rows && [...rows.values()];
}

type Loading = {
	readonly members: OpenedMembers;
	readonly batch: MemberBatch;
	readonly rows: Map<string, TextRows> | undefined;
	/** The entries of each item that are not loaded yet. */
	readonly left: Map<string, number>;
};

/** Loads some members over one connection. */
async function loadBatch(
	context: FillContext,
	plan: DatabasePlan,
	{tracker, ...common}: LoadCommon,
	{members, batch, rows, left}: Loading,
): Promise<void> {
	const {run, source} = context;
	const {signal, meter} = common.control;
	const {bytes, toc, files} = members;
	const now = () => run.now().getTime();
	const onBytes = (count: number) => meter.count('download', count);
	const found = await Promise.all(
		batch.entries.map(async entry => {
			const file = files.find(entry.member ?? '');
			if (entry.kind !== 'BLOBS') return {entry, files: [{file}]};
			const list = await textOf(dumpBytes(source, file.path, signal, onBytes));
			return {entry, files: largeObjects(list).map(({oid, member}) => ({oid, file: files.find(member)}))};
		}),
	);
	const all = found.flatMap(one => one.files.map(({file}) => file));
	const open = openInOrder(source, all, signal, onBytes);
	let index = 0;
	const blocks = found.map(({entry, files: own}): MemberBlock => {
		const name = itemName(entry);
		const check = entry.kind === 'BLOBS' ? passed : (copy: AsyncIterable<Uint8Array>) => counted(copy, entry, rows);
		const parts = own.map(({file, ...part}): MemberPart => {
			const at = index++;
			const read = (count: number) => tracker.dataRead(name, count, now());
			return {...part, open: () => plainMember(file, noted(open(at), read), check)};
		});
		return {entry, parts};
	});
	const compression = all.some(file => compressionOf(file) === 'lz4') ? 'lz4' : 'none';
	await loadArchive(context, plan, {
		...{...common, list: undefined, path: undefined, jobs: 1},
		source: memberArchive({bytes, toc, compression, blocks}),
	});
	for (const {entry} of blocks) {
		const name = itemName(entry);
		const others = (left.get(name) ?? 1) - 1;
		left.set(name, others);
		if (others === 0) tracker.dataLoaded(name, now());
	}
}

/** Counts for progress. */
async function* noted(source: AsyncIterable<Uint8Array>, read: (bytes: number) => void): AsyncGenerator<Uint8Array> {
	read(0);
	for await (const chunk of source) {
		read(chunk.length);
		yield chunk;
	}
}

function passed(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
	return source;
}

/** Adds the rows to those of the table that they are copied into: with partitions that may be the root. */
function counted(
	source: AsyncIterable<Uint8Array>,
	entry: ArchiveEntry,
	rows: Map<string, TextRows> | undefined,
): AsyncIterable<Uint8Array> {
	if (!rows) return completeCopy(source);
	const {schema, table} = copiedInto(entry.copy, entry.schema);
	const [key, inBytes] = [`${schema}\0${table}`, (name: string) => Buffer.from(name).toString('latin1')];
	return completeCopy(source, count => {
		const sum = count + (rows.get(key)?.rows ?? 0);
		rows.set(key, {schema: inBytes(schema), table: inBytes(table), rows: sum});
	});
}
