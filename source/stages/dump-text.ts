/** What a dump holds, read from its text as pg_dump and pg_restore write it: its objects, and how many rows of which table. */
import {PgBackError} from '../core/errors.js';
import {startChild} from '../process/child.js';

export type DumpText = {
	/** `TABLE public.t`: kind and name of what a restore must bring back, in the dump's own encoding, a character a byte. */
	readonly objects: ReadonlySet<string>;
	readonly tables: readonly TextRows[];
	/** Rows stand in INSERT statements too, where they are not counted. */
	readonly inserts: boolean;
	/** Of the client that wrote it, such as `UTF8`. */
	readonly encoding: string;
};

/** Rows that a COPY brings into a table; both names without quotes, a character a byte. */
export type TextRows = {readonly schema: string; readonly table: string; readonly rows: number};

/** Kinds whose names all versions of pg_dump write alike, and which are there after a restore whatever else is. */
const kinds: ReadonlySet<string> = new Set([
	...['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE', 'SEQUENCE', 'INDEX', 'CONSTRAINT', 'FK CONSTRAINT'],
	...['TRIGGER', 'EVENT TRIGGER', 'RULE', 'POLICY', 'FUNCTION', 'PROCEDURE', 'AGGREGATE', 'OPERATOR', 'OPERATOR CLASS'],
	...['TYPE', 'DOMAIN', 'SCHEMA', 'EXTENSION', 'COLLATION', 'CONVERSION', 'CAST', 'STATISTICS', 'PUBLICATION'],
	...['SERVER', 'FOREIGN DATA WRAPPER', 'TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY'],
]);
/** Every database has them. */
const common: ReadonlySet<string> = new Set(['SCHEMA -.public', 'EXTENSION -.plpgsql']);

const newline = 0x0a;
const backslash = 0x5c;
const dot = 0x2e;
/** Of a line of SQL nothing beyond this is looked at; of a row nothing at all. */
const longest = 1 << 20;

/** Takes the text piece by piece. */
export class DumpTextReader {
	readonly #objects = new Set<string>();
	readonly #rows = new Map<string, {schema: string; table: string; rows: number}>();
	#inserts = false;
	#encoding = 'UTF8';
	#rest: Buffer = Buffer.alloc(0);
	/** The line goes on beyond what is kept of it. */
	#cut = false;
	#previous = '';
	/** The table whose rows come next. */
	#data: {readonly schema: string; readonly table: string} | undefined;
	/** A COPY statement whose table has a line break in its name. */
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

	/** `-- Name: t; Type: TABLE; Schema: public; Owner: app`, after a line of its own with `--`. */
	#comment(line: string): void {
		const [, data, name, kind, schema] =
			/^-- (Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: /.exec(line) ?? [];
		if (name === undefined || kind === undefined || schema === undefined) return;
		this.#data = data !== undefined && kind === 'TABLE DATA' ? {schema, table: name} : undefined;
		const object = `${kind} ${schema}.${name}`;
		if (data === undefined && kinds.has(kind) && !common.has(object)) this.#objects.add(object);
	}

	/** Begins to count when the statement is whole. The table is that of the statement: `--load-via-partition-root` names another. */
	#copyStatement(text: string): void {
		const whole = / FROM stdin;$/.test(text);
		this.#statement = whole || text.length > longest ? '' : text;
		if (!whole) return;
		const [, first, second] = /^COPY ("(?:[^"]|"")*"|[^\s."(]+)(?:\.("(?:[^"]|"")*"|[^\s."(]+))?/.exec(text) ?? [];
		// Until 10.3 the schema was in the search path.
		const schema = second === undefined ? this.#data?.schema : unquoted(first ?? '');
		const table = unquoted(second ?? first ?? '');
		const key = `${schema ?? ''}\0${table}`;
		const counted = this.#rows.get(key) ?? {schema: schema ?? '', table, rows: 0};
		this.#rows.set(key, counted);
		this.#copy = counted;
	}
}

function unquoted(name: string): string {
	return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

/** Passes on what it reads. */
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
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly signal: AbortSignal;
	/** For the error: `the text of orders`. */
	readonly what: string;
};

/** What `pg_restore -f -` or `pg_dump` writes to its standard output. Throws FAILED. */
export async function textOfCommand({what, ...command}: TextCommand): Promise<DumpText> {
	const child = startChild({...command, stdout: 'pipe'});
	const reader = new DumpTextReader();
	child.done.catch(() => undefined); // awaited below
	for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) reader.push(chunk);
	const {exitCode, stderr} = await child.done;
	if (exitCode === 0) return reader.result();
	throw new PgBackError('FAILED', `${what} cannot be read: ${stderr.at(-1) ?? `exit status ${String(exitCode)}`}`, {
		output: stderr,
	});
}
