/** Writes the ranges of large tables while pg_dump runs, and enters them in its table of contents. */
import {createReadStream} from 'node:fs';
import {mkdir, readFile, rename} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import {createPartial, discardPartial, partialPath} from '../lib/files.js';
import {addTableData} from '../postgres/archive-toc-writer.js';
import type {CopySession} from '../postgres/copy-session.js';
import {readDirectoryToc} from '../postgres/read-toc.js';
import type {TableRows} from '../postgres/recorded-contents.js';
import {divide, type PageRange, pgDumpQuery, rangeQuery} from '../postgres/split-tables.js';
import {captureChild} from '../process/child.js';
import type {Companion} from '../stages/member-pass.js';
import {memberSuffix, writeRangeMember} from '../stages/range-member.js';
import type {Split} from './split-tables.js';

/** Parts of a table for each session: the sessions end at about the same time, and a parallel restore has work. */
const partsPerSession = 8;
/** Bytes below which a part is not worth a member. */
const smallestPart = 64 << 20;
const mostParts = 256;
/** Milliseconds between two questions about pg_dump: before it has connected, and afterwards. */
const interval = {before: 100, after: 1000} as const;
/** How often in a row it must wait behind us. */
const waitingLimit = 3;

type Part = {
	readonly table: Split['tables'][number];
	/** The name in the table of contents, and that of the file, which has a suffix for its compression. */
	readonly member: string;
	readonly file: string;
	readonly range: PageRange;
};

export type SplitCompanion = Companion & {
	/** The rows of each table, when the dump is complete. */
	readonly tables: () => readonly TableRows[];
	/** pg_dump waited for a table that we hold, behind another session: it can be dumped without dividing. */
	readonly isBlocked: () => boolean;
};

export type CompanionOptions = {
	/** The six characters of the run. */
	readonly run: string;
	readonly env: Environment;
};

export function splitCompanion(split: Split, options: CompanionOptions): SplitCompanion {
	const rows = new Map<string, number>();
	const copied = new Map(split.tables.map(({oid}) => [oid, {rows: 0, bytes: 0}]));
	const parts = partsOf(split);
	const waiting = [...parts];
	let unused: ReadonlySet<string> = new Set();
	let blocked = false;

	const copyParts = async (session: CopySession, staged: Staged, signal: AbortSignal) => {
		for (let part = waiting.shift(); part; part = waiting.shift()) {
			signal.throwIfAborted();
			const {table, file, range} = part;
			const sum = copied.get(table.oid) ?? {rows: 0, bytes: 0};
			let bytes = 0;
			const query = rangeQuery(table.oid, range, {...sum});
			const count = await writeRangeMember(reader => session.copy(query, reader), {
				path: join(staged.path, file),
				compression: split.compression,
				run: options.run,
				signal,
				onBytes: more => (bytes += more),
			}).catch((error: unknown) => {
				throw error instanceof PgBackError && error.code === 'FAILED' ? failedAt(table.name, error) : error;
			});
			sum.rows += count;
			sum.bytes += bytes;
			rows.set(file, count);
			staged.move(file);
		}
		await session.close();
	};
	return {
		async write(directory, signal, dumped) {
			/** The other sessions wait until pg_dump has ended. */
			const concurrent = split.sessions.length - split.dumpJobs;
			const ending = new AbortController();
			const all = AbortSignal.any([signal, ending.signal]);
			const path = await createStagingDirectory(directory, options.run);
			const watch = watchPgDump(split, dumped, all);
			const watching = watch.ended.catch((error: unknown) => {
				blocked = !all.aborted;
				throw error;
			});
			const staged = stagedMembers(path, directory, watch.opened);
			const lanes = split.sessions.map(async (session, index) => {
				if (index >= concurrent) await Promise.race([dumped, aborted(all)]);
				await copyParts(session, staged, all);
			});
			try {
				await Promise.all([...lanes, watching]);
				await staged.moved();
			} catch (error) {
				ending.abort(error);
				await split.close();
				await Promise.allSettled([...lanes, watching]);
				throw error;
			} finally {
				await staged.remove();
			}
		},
		async enter(directory, signal) {
			unused = await enterParts(split, parts, {directory, signal, ...options});
			return parts.flatMap(({member, file}) => (unused.has(member) ? [file] : []));
		},
		rowsOf: file => rows.get(file),
		tables: () =>
			split.tables.flatMap(({oid, name}) => {
				const own = parts.filter(part => part.table.oid === oid && !unused.has(part.member));
				const counts = own.map(({file}) => rows.get(file) ?? 0);
				return own.length === 0 ? [] : [{name, rows: counts.reduce((sum, count) => sum + count, 0)}];
			}),
		isBlocked: () => blocked,
	};
}

function failedAt(table: string, error: PgBackError): PgBackError {
	return new PgBackError('DUMP_FAILED', `reading ${display(table)}: ${error.message}`, {cause: error});
}

/** Rejects when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
	return new Promise((_, reject) => {
		const stop = () => reject(signal.reason as Error);
		if (signal.aborted) stop();
		else signal.addEventListener('abort', stop, {once: true});
	});
}

function partsOf({tables, sessions, compression}: Split): readonly Part[] {
	const suffix = memberSuffix(compression);
	return tables.flatMap(table => {
		const wanted = Math.ceil(table.bytes / smallestPart);
		const count = Math.min(mostParts, Math.max(sessions.length, Math.min(sessions.length * partsPerSession, wanted)));
		return divide(table.pages, count).map((range, index) => {
			const member = `table_${table.oid}_${index + 1}.dat`;
			return {table, member, file: member + suffix, range};
		});
	});
}

/** Members in a directory of their own until pg_dump has begun: it refuses a directory that is not empty. */
type Staged = {
	readonly path: string;
	/** Moves a member into the dump as soon as possible. */
	readonly move: (name: string) => void;
	/** Resolves when all members have been moved; rejects when one could not be. */
	readonly moved: () => Promise<void>;
	readonly remove: () => Promise<void>;
};

async function createStagingDirectory(directory: string, run: string): Promise<string> {
	const path = partialPath(directory, run);
	await mkdir(path, {mode: 0o700});
	return path;
}

function stagedMembers(path: string, directory: string, opened: Promise<void>): Staged {
	const moves: Promise<void>[] = [];
	return {
		path,
		move(name) {
			const move = opened.then(() => rename(join(path, name), join(directory, name)));
			move.catch(() => undefined); // thrown by `moved`
			moves.push(move);
		},
		moved: async () => {
			await Promise.all(moves);
		},
		remove: () => discardPartial(path),
	};
}

/**
 * Watches pg_dump. `opened` resolves when it has connected, which it does after it has opened its directory. `ended`
 * resolves when it has ended, and rejects when it waits for one of the tables: our locks let it read, so another session
 * waits in between, for us, and none of the three would ever continue.
 */
function watchPgDump(
	split: Split,
	dumped: Promise<void>,
	signal: AbortSignal,
): {readonly opened: Promise<void>; readonly ended: Promise<void>} {
	let onOpened = () => {};
	const connected = new Promise<void>(resolve => (onOpened = resolve));
	const opened = Promise.race([connected, dumped]);
	opened.catch(() => undefined); // thrown by those who wait for it
	return {opened, ended: watch(split, dumped, signal, onOpened)};
}

async function watch(split: Split, dumped: Promise<void>, signal: AbortSignal, onOpened: () => void): Promise<void> {
	const over = new AbortController();
	const ended = dumped.finally(() => over.abort());
	ended.catch(() => undefined); // thrown below, or pg_dump was stopped because of us
	const stop = AbortSignal.any([signal, over.signal]);
	const oids = split.tables.map(({oid}) => oid);
	const query = pgDumpQuery(oids, split.application, split.startedAt);
	let isOpen = false;
	for (let times = 0; times < waitingLimit;) {
		await delay(isOpen ? interval.after : interval.before, undefined, {signal: stop}).catch(() => undefined); // it has ended
		signal.throwIfAborted();
		if (stop.aborted) return ended;
		// Within a transaction the server shows its sessions as they were at the first query.
		await split.holder.query('select pg_catalog.pg_stat_clear_snapshot()');
		const [[connected, waits] = []] = await split.holder.query(query);
		isOpen ||= connected === 't';
		if (isOpen) onOpened();
		times = waits === 't' ? times + 1 : 0;
	}
	throw new PgBackError('DUMP_FAILED', 'pg_dump waits for a table behind a session that wants to change it', {
		hint: 'dump it when no session alters its tables',
	});
}

type EnterOptions = CompanionOptions & {readonly directory: string; readonly signal: AbortSignal};

/** Returns the members that are not entered: pg_dump has dumped the table itself, or not at all. */
async function enterParts(split: Split, parts: readonly Part[], options: EnterOptions): Promise<ReadonlySet<string>> {
	const {directory, run} = options;
	const path = join(directory, 'toc.dat');
	const membersOf = (oid: number) => parts.filter(({table}) => table.oid === oid).map(({member}) => member);
	const added = split.tables.map(({oid, copy}) => ({oid, copy, members: membersOf(oid)}));
	const {bytes, missing, present} = addTableData(await readFile(path), added);
	const {path: partial, handle} = await createPartial(path, run, undefined);
	try {
		await handle.writeFile(bytes);
		await handle.close();
		await rename(partial, path);
	} catch (error) {
		await handle.close();
		await discardPartial(partial);
		throw error;
	}
	const left = new Set([...missing, ...present]);
	await confirmParts(
		split,
		added.filter(({oid}) => !left.has(oid)),
		options,
	);
	return new Set([...left].flatMap(membersOf));
}

type Entered = {readonly oid: number; readonly copy: string; readonly members: readonly string[]};

/** Throws DUMP_FAILED unless the table of contents has each part, for us and for pg_restore. */
async function confirmParts(
	split: Split,
	entered: readonly Entered[],
	{directory, env, signal}: EnterOptions,
): Promise<void> {
	const toc = await readDirectoryToc(createReadStream(join(directory, 'toc.dat')));
	if (toc.encoding !== split.encoding) {
		throw new PgBackError(
			'DUMP_FAILED',
			`pg_dump wrote ${toc.encoding}, but the divided tables are in ${split.encoding}`,
			{
				hint: 'remove the client_encoding of the role, the database or the connection, or set split_tables_larger_than = 0',
			},
		);
	}
	if (toc.compression !== split.compression.method)
		throw new PgBackError(
			'DUMP_FAILED',
			`pg_dump compressed with ${toc.compression}, pg_back with ${split.compression.method}`,
		);
	const args = ['-l', '--', directory];
	const list = await captureChild(
		{command: split.pgRestore, args, env: {...env, LC_ALL: 'C'}, signal},
		'pg_restore -l',
	);
	for (const {oid, members} of entered) {
		const ours = toc.entries.filter(entry => entry.kind === 'TABLE DATA' && entry.oid === oid);
		const listed = list.match(new RegExp(`^\\d+; 0 ${oid} TABLE DATA `, 'gm'))?.length ?? 0;
		const isSame = ours.length === members.length && ours.every(({member}, index) => member === members[index]);
		if (!isSame || listed !== members.length)
			throw new PgBackError('BUG', `the table of contents has ${listed} of ${members.length} parts of table ${oid}`);
	}
}
