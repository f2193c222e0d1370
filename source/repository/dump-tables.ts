/**
 * The contents of a dump, from the table of contents at its beginning and from its manifest. The rest of the dump is
 * not read.
 */
import {isSystemError, PgBackError} from '../core/errors.js';
import {withoutCompressedSuffix} from '../lib/compression.js';
import {display} from '../lib/display.js';
import type {ArchiveToc} from '../postgres/archive-toc.js';
import {readArchiveToc, readDirectoryToc, readTarToc} from '../postgres/read-toc.js';
import {nameOf, splitStatements} from '../postgres/sql-statements.js';
import type {RunContext} from '../runs/context.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import {isMissing} from '../storage/errors.js';
import type {Place} from './place.js';
import type {DumpView} from './run-view.js';

export type TableName = {readonly schema: string | undefined; readonly name: string};

export type TableView = TableName & {
	/** Counted in the dump's snapshot. */
	readonly rows?: number;
	/** Bytes of its data in the dump, as compressed there. */
	readonly bytes?: number;
};

/**
 * Reads the table of contents. Returns undefined for plain SQL, which has none. Throws WRONG_KEY, CORRUPT, TOOLS, and
 * the errors of the place.
 */
export async function readToc(
	run: Pick<RunContext, 'signal'>,
	place: Place,
	{path, parsed, files, encrypted}: DumpView,
	keys: DecryptionKeys | undefined,
): Promise<ArchiveToc | undefined> {
	const {suffix} = parsed;
	if (suffix !== 'dump' && suffix !== 'tar' && suffix !== 'd') return undefined;
	const member = suffix === 'd' ? files.find(file => /\/toc\.dat(?:\.age)?$/.test(file.path))?.path : path;
	if (member === undefined) throw new PgBackError('CORRUPT', `${display(path)} has no toc.dat`);
	if (encrypted && !keys) {
		throw new PgBackError('WRONG_KEY', `${display(path)} is encrypted, and no key was given`, {
			hint: 'set cipher_identity_file, cipher_private_key or a passphrase',
		});
	}
	const stop = new AbortController();
	const signal = AbortSignal.any([run.signal, stop.signal]);
	const bytes = place.read(member, signal);
	const plain = encrypted && keys ? decryptStream(bytes, keys, signal) : bytes;
	try {
		if (suffix === 'd') return await readDirectoryToc(plain);
		return await (suffix === 'tar' ? readTarToc(plain) : readArchiveToc(plain));
	} catch (error) {
		if (!(error instanceof PgBackError) || !['CORRUPT', 'TOOLS', 'WRONG_KEY'].includes(error.code)) throw error;
		const hint = error.hint === undefined ? {} : {hint: error.hint};
		throw new PgBackError(error.code, `${display(path)}: ${error.message}`, {cause: error, ...hint});
	} finally {
		stop.abort();
	}
}

/** Returns whether a dump was removed after it had been listed. */
export function isGone(error: unknown): boolean {
	return isMissing(error) || (isSystemError(error) && error.code === 'ENOENT');
}

const tableKinds: ReadonlySet<string> = new Set(['TABLE', 'TABLE DATA']);

/** Returns the tables of a dump; undefined when neither its table of contents nor its manifest lists them. */
export function tablesOf(dump: DumpView, toc: ArchiveToc | undefined): readonly TableView[] | undefined {
	const recorded = dump.recorded?.plain?.tables;
	if (!toc && !recorded) return undefined;
	const tables = new Map<string, TableView>();
	const bytes = toc ? dataBytes(dump, toc) : new Map<number, number>();
	for (const {kind, schema, tag, dumpId} of toc?.entries ?? []) {
		if (!tableKinds.has(kind)) continue;
		const key = keyOf({schema, name: tag});
		const size = bytes.get(dumpId);
		const known = tables.get(key);
		// A divided table has several entries with data.
		const sum = size === undefined ? known?.bytes : (known?.bytes ?? 0) + size;
		tables.set(key, {...known, schema, name: tag, ...(sum !== undefined && {bytes: sum})});
	}
	for (const {name, rows} of recorded ?? []) {
		const table = parseTableName(name);
		if (!table) continue; // `large objects`
		const key = keyOf(table);
		// A table that was recorded but is not in the dump was excluded from it.
		if (!toc || tables.has(key)) tables.set(key, {...table, ...tables.get(key), rows});
	}
	return [...tables.values()];
}

export function keyOf({schema, name}: TableName): string {
	return `${schema ?? ''}\0${name}`;
}

/** Returns `schema.table` for people. */
export function describeTable({schema, name}: TableName): string {
	return display(schema === undefined ? name : `${schema}.${name}`);
}

/** Parses `schema.table` in SQL notation. */
export function parseTableName(text: string): TableName | undefined {
	try {
		const tokens = splitStatements(`${text};`)[0]?.tokens ?? [];
		const [schema, dot, name] = [nameOf(tokens[0]), tokens[1]?.value, nameOf(tokens[2])];
		return schema === undefined || name === undefined || dot !== '.' || tokens.length !== 3
			? undefined
			: {schema, name};
	} catch (error) {
		if (error instanceof PgBackError) return undefined;
		throw error;
	}
}

/** Returns the bytes of data of each entry, by dump ID, as far as offsets or member sizes are known. */
function dataBytes(dump: DumpView, toc: ArchiveToc): ReadonlyMap<number, number> {
	if (toc.format === 'directory') {
		const sizes = new Map(
			dump.files.map(file => [
				file.path.slice(dump.path.length + 1).replace(/(?:\.(?:gz|lz4|zst))?(?:\.age)?$/, ''),
				file.size,
			]),
		);
		return new Map(
			toc.entries.flatMap(({dumpId, member}) => {
				const size = member === undefined ? undefined : sizes.get(withoutCompressedSuffix(member));
				return size === undefined ? [] : [[dumpId, size] as const];
			}),
		);
	}
	const placed = toc.entries.flatMap(({dumpId, offset}) => (offset === undefined ? [] : [{dumpId, offset}]));
	const sorted = placed.toSorted((a, b) => a.offset - b.offset);
	const end = dump.recorded?.plain?.size ?? (dump.encrypted ? undefined : dump.bytes);
	return new Map(
		sorted.flatMap(({dumpId, offset}, index) => {
			const next = sorted[index + 1]?.offset ?? end;
			return next === undefined || next < offset ? [] : [[dumpId, next - offset] as const];
		}),
	);
}
