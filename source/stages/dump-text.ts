/** Reads the objects and the rows per table from the text that pg_dump and pg_restore write. */
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {describeEnd, firstError, startChild} from '../process/child.js';

export type DumpText = {
	/**
	 * `TABLE public.t`: kind and name of each object that a restore must create, in the dump's own encoding, one
	 * character per byte.
	 */
	readonly objects: ReadonlySet<string>;
	readonly tables: readonly TextRows[];
	/** Rows are also in INSERT statements, which are not counted. */
	readonly inserts: boolean;
	/** The client encoding of the dump, such as `UTF8`. */
	readonly encoding: string;
};

/** The rows of a table's COPY; both names without quotes, one character per byte. */
export type TextRows = {readonly schema: string; readonly table: string; readonly rows: number};

/** Kinds of objects that every version of pg_dump names alike, and that are always present after a restore. */
export const comparedKinds: ReadonlySet<string> = new Set([
	...['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE', 'SEQUENCE', 'INDEX', 'CONSTRAINT', 'FK CONSTRAINT'],
	...['TRIGGER', 'EVENT TRIGGER', 'RULE', 'POLICY', 'FUNCTION', 'PROCEDURE', 'AGGREGATE', 'OPERATOR', 'OPERATOR CLASS'],
	...['TYPE', 'DOMAIN', 'SCHEMA', 'EXTENSION', 'COLLATION', 'CONVERSION', 'CAST', 'STATISTICS', 'PUBLICATION'],
	...['SERVER', 'FOREIGN DATA WRAPPER', 'TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY'],
]);
/** Objects that every database has. */
export const commonObjects: ReadonlySet<string> = new Set(['SCHEMA -.public', 'EXTENSION -.plpgsql']);

/**
 * Returns the object in a form that does not depend on `quote_all_identifiers`, which quotes the types in a signature.
 * Other kinds have names without quotes.
 */
export function withoutQuotes(object: string): string {
	return /^(?:FUNCTION|PROCEDURE|AGGREGATE|CAST)\b/.test(object) ? object.replaceAll('"', '') : object;
}

const newline = 0x0a;
const backslash = 0x5c;
const dot = 0x2e;
/** Bytes of a line of SQL that are examined; rows are not examined at all. */
const longest = 1 << 20;

/** Parses the text piece by piece. */
export class DumpTextReader {
	readonly #objects = new Set<string>();
	readonly #rows = new Map<string, {schema: string; table: string; rows: number}>();
	#inserts = false;
	#encoding = 'UTF8';
	#rest: Buffer = Buffer.alloc(0);
	/** The line is longer than the part that is kept. */
	#cut = false;
	#previous = '';
	/** The table of the rows that follow. */
	#data: {readonly schema: string; readonly table: string} | undefined;
	/** A COPY statement for a table with a line break in its name. */
	#statement = '';
	#copy: {rows: number} | undefined;

	push(chunk: Uint8Array): void {
		let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		if (this.#rest.length > 0) bytes = Buffer.concat([this.#rest, bytes]);
		let at = 0;
		for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, at)) {
			if (this.#copy === undefined) this.#line(bytes.toString('latin1', at, end));
			else if (!this.#cut && end - at === 2 && bytes[at] === backslash && bytes[at + 1] === dot) this.#copy = undefined;
			else this.#copy.rows++;
			this.#cut = false;
			at = end + 1;
		}
		const keep = this.#copy === undefined ? longest : 2;
		this.#cut ||= bytes.length - at > keep;
		this.#rest = Buffer.from(bytes.subarray(at, Math.min(bytes.length, at + keep)));
	}

	result(): DumpText {
		return {
			objects: this.#objects,
			tables: [...this.#rows.values()],
			inserts: this.#inserts,
			encoding: this.#encoding,
		};
	}

	#line(line: string): void {
		const previous = this.#previous;
		this.#previous = line;
		if (this.#statement !== '') this.#copyStatement(`${this.#statement}\n${line}`);
		else if (line.startsWith('-- ') && previous === '--') this.#comment(line);
		else if (this.#data && line.startsWith('COPY ')) this.#copyStatement(line);
		else if (this.#data && line.startsWith('INSERT INTO ')) this.#inserts = true;
		else if (line.startsWith('SET client_encoding = ')) this.#encoding = /'(.*)'/.exec(line)?.[1] ?? this.#encoding;
	}

	/** Parses `-- Name: t; Type: TABLE; Schema: public; Owner: app`, which follows a line with only `--`. */
	#comment(line: string): void {
		const [, data, name, kind, schema] =
			/^-- (Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: /.exec(line) ?? [];
		if (name === undefined || kind === undefined || schema === undefined) return;
		this.#data = data !== undefined && kind === 'TABLE DATA' ? {schema, table: name} : undefined;
		const object = `${kind} ${schema}.${name}`;
		if (data === undefined && comparedKinds.has(kind) && !commonObjects.has(object)) this.#objects.add(object);
	}

	/**
	 * Starts counting when the statement is complete. The table is the one in the statement: with
	 * `--load-via-partition-root` it differs from the comment's.
	 */
	#copyStatement(text: string): void {
		const whole = / FROM stdin;$/.test(text);
		this.#statement = whole || text.length > longest ? '' : text;
		if (!whole) return;
		const {schema, table} = copiedInto(text, this.#data?.schema);
		const key = `${schema}\0${table}`;
		const counted = this.#rows.get(key) ?? {schema, table, rows: 0};
		this.#rows.set(key, counted);
		this.#copy = counted;
	}
}

/** Returns the table of a COPY statement. Up to 10.3 the schema was in the search path: then it is `home`. */
export function copiedInto(
	statement: string,
	home: string | undefined,
): {readonly schema: string; readonly table: string} {
	const [, first, second] = /^COPY ("(?:[^"]|"")*"|[^\s."(]+)(?:\.("(?:[^"]|"")*"|[^\s."(]+))?/.exec(statement) ?? [];
	return {
		schema: (second === undefined ? home : unquoted(first ?? '')) ?? '',
		table: unquoted(second ?? first ?? ''),
	};
}

function unquoted(name: string): string {
	return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

/** Parses the text while passing it on. */
export async function* readingText(
	source: AsyncIterable<Uint8Array>,
	reader: DumpTextReader,
): AsyncGenerator<Uint8Array> {
	for await (const chunk of source) {
		reader.push(chunk);
		yield chunk;
	}
}

export type TextCommand = {
	readonly command: string;
	readonly args: readonly string[];
	readonly env: Environment;
	readonly signal: AbortSignal;
	/** For errors: `the text of orders`. */
	readonly what: string;
};

/** Parses the standard output of `pg_restore -f -` or `pg_dump`. Throws FAILED. */
export async function textOfCommand({what, ...command}: TextCommand): Promise<DumpText> {
	const child = startChild({...command, stdout: 'pipe', stderr: 'messages'});
	const reader = new DumpTextReader();
	child.done.catch(() => undefined); // awaited below
	for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) reader.push(chunk);
	const result = await child.done;
	if (result.exitCode === 0) return reader.result();
	const reason = firstError(result.stderr) ?? describeEnd(result);
	throw new PgBackError('FAILED', `${what} cannot be read: ${reason}`, {output: result.stderr});
}
