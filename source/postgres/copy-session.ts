/**
 * A session that reads parts of tables with COPY: one psql, as for the control connection, whose standard output is the
 * data. After each COPY a line with the state follows it, marked by a random string of the session.
 */
import {randomBytes} from 'node:crypto';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {type Child, startChild} from '../process/child.js';
import type {ChildConnection} from './connection.js';
import {connectionError} from './connection-error.js';
import {literal} from './quote.js';
import {neutralSettings} from './session.js';

export type CopySessionOptions = {
	/** The path of psql, version 11 or newer. */
	readonly psql: string;
	readonly connection: ChildConnection;
	/** Such as 150018. */
	readonly serverVersion: number;
	/** The identifier of a snapshot that another session has exported; it is imported before this returns. */
	readonly snapshot: string;
	/** A query for the names of the tables to lock at once, as one text for LOCK TABLE. */
	readonly locking: string;
	/** Ends the session when aborted. */
	readonly signal: AbortSignal;
};

/** The output of one COPY: its bytes in order, and what the server has counted. */
export type CopyOutput = {
	readonly chunks: AsyncIterable<Buffer>;
	/** The rows that the server reports. Only after the last chunk. */
	readonly rows: () => number;
};

/** Bytes that are held back: a line with the state is shorter. */
const longestState = 256;

/**
 * Connects, locks the tables without waiting, and imports the snapshot. Throws CONNECTION, and FAILED when the server
 * rejects a statement. The caller closes the session.
 */
export async function openCopySession(options: CopySessionOptions): Promise<CopySession> {
	const session = new CopySession(options);
	try {
		await session.start();
		return session;
	} catch (error) {
		await session.close();
		throw error;
	}
}

export class CopySession {
	readonly #options: CopySessionOptions;
	readonly #mark = randomBytes(12).toString('hex');
	readonly #child: Child;
	readonly #output: AsyncIterator<Buffer>;
	#connected = false;

	constructor(options: CopySessionOptions) {
		this.#options = options;
		const {psql, connection, signal} = options;
		this.#child = startChild({
			command: psql,
			args: ['-XAtqw', ...connection.args],
			env: {PGCONNECT_TIMEOUT: '30', ...connection.env, PGCLIENTENCODING: 'UTF8', LC_ALL: 'C'},
			stdin: 'pipe',
			stdout: 'pipe',
			signal,
		});
		this.#child.stdin?.on('error', () => undefined); // psql has exited: `done` gives the reason
		this.#child.done.catch(() => undefined); // thrown to the one who waits for output
		const {stdout} = this.#child;
		if (!stdout) throw new PgBackError('BUG', 'psql has no standard output');
		this.#output = stdout.iterator({destroyOnReturn: false}) as AsyncIterator<Buffer>;
	}

	/** Sets what pg_dump sets, so that the text of each value is the same. */
	async start(): Promise<void> {
		const {serverVersion, snapshot, locking} = this.#options;
		await this.#run("select pg_catalog.set_config('search_path', '', false)");
		this.#connected = true;
		await this.#run(`select ${neutralSettings(serverVersion, null).join(', ')}`);
		const own = ['client_encoding', 'server_encoding'];
		await this.#run(
			`select pg_catalog.set_config('${own[0]}', pg_catalog.current_setting('${own[1]}'), false), ${valueSettings}`,
		);
		await this.#run(locking, '\\gset');
		await this.#run('begin isolation level repeatable read read only');
		await this.#run(':q', '\n;');
		await this.#run(`set transaction snapshot ${literal(snapshot)}`);
	}

	/**
	 * Runs the COPY … TO stdout that `query` returns in its column `q`: names of tables then never pass through our
	 * encoding. The chunks must be read to their end before the next call. They throw FAILED when the server rejects the
	 * statement, and CONNECTION when the session is lost.
	 */
	copy(query: string): CopyOutput {
		let rows: number | undefined;
		const read = async function* (session: CopySession): AsyncGenerator<Buffer> {
			// psql reports the rows only for a COPY that does not go to its own output.
			session.#send(`\\unset q\n${query} \\gset\n:q\n\\g |cat`);
			const state = yield* session.#until();
			if (state.isError) throw await session.#rejected();
			rows = state.rows;
		};
		return {
			chunks: read(this),
			rows() {
				if (rows === undefined) throw new PgBackError('BUG', 'the rows of a COPY that has not ended');
				return rows;
			},
		};
	}

	/** Ends psql. */
	async close(): Promise<void> {
		this.#child.stdin?.end();
		this.#child.stdout?.resume();
		await this.#child.done.catch(() => undefined); // it was aborted
	}

	async #run(sql: string, end = '\\g /dev/null'): Promise<void> {
		this.#send(`${sql} ${end}`);
		const lines = this.#until();
		for (;;) {
			const {value, done} = await lines.next();
			if (!done) continue; // nothing is printed
			if (value.isError) throw await this.#rejected();
			return;
		}
	}

	#send(text: string): void {
		this.#child.stdin?.write(`${text}\n\\echo ${this.#mark}s :ERROR :SQLSTATE :ROW_COUNT ${this.#mark}e\n`);
	}

	/** Yields the output before the line with the state, and returns the state. */
	async *#until(): AsyncGenerator<Buffer, {readonly isError: boolean; readonly rows: number}> {
		const end = Buffer.from(`${this.#mark}e\n`);
		let held: Buffer = Buffer.alloc(0);
		while (!held.subarray(-end.length).equals(end)) {
			const next = await this.#output.next();
			if (next.done) throw await this.#lost();
			const chunk = next.value;
			const free = Math.max(0, held.length + chunk.length - longestState);
			if (free >= held.length) {
				if (held.length > 0) yield held;
				const rest = free - held.length;
				if (rest > 0) yield chunk.subarray(0, rest);
				held = chunk.subarray(rest);
			} else {
				const both = Buffer.concat([held, chunk]);
				if (free > 0) yield both.subarray(0, free);
				held = both.subarray(free);
			}
		}
		const at = held.lastIndexOf(`${this.#mark}s `);
		if (at > 0) yield held.subarray(0, at);
		const [isError, , rows] = held.toString('latin1', at + this.#mark.length + 2).split(' ');
		return {isError: isError !== 'false', rows: Number(rows)};
	}

	async #rejected(): Promise<PgBackError> {
		this.#child.stdin?.write(`\\echo :LAST_ERROR_MESSAGE ${this.#mark}e\n`);
		let text = '';
		while (!text.endsWith(`${this.#mark}e\n`)) {
			const next = await this.#output.next();
			if (next.done) return this.#lost();
			text += next.value.toString();
		}
		const message = text.slice(0, -this.#mark.length - 3).trim();
		return new PgBackError('FAILED', display(`the server says: ${message || 'the statement failed'}`));
	}

	/** Throws the reason of an abort. */
	async #lost(): Promise<PgBackError> {
		const {stderr} = await this.#child.done;
		return connectionError(stderr, this.#connected);
	}
}

/** What pg_dump sets for the text of values; an index must not be used instead of the range. */
const valueSettings = [
	['extra_float_digits', '3'],
	['intervalstyle', 'postgres'],
	['row_security', 'off'],
	['max_parallel_workers_per_gather', '0'],
	['enable_seqscan', 'off'],
	['enable_indexscan', 'off'],
	['enable_bitmapscan', 'off'],
	['enable_tidscan', 'on'],
]
	.map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`)
	.join(', ');
