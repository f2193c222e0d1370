/**
 * A session that reads parts of tables with COPY: one psql, as for the control connection, whose standard output is a
 * pipe with the data. After each COPY a line with the state follows it.
 */
import {randomBytes} from 'node:crypto';
import {closeSync, read} from 'node:fs';
import {promisify} from 'node:util';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {type Child, startChild} from '../process/child.js';
import {type Pipe, takePipe} from '../process/pipes.js';
import type {ChildConnection} from './connection.js';
import {connectionError} from './connection-error.js';
import {type CopyState, findState, stateCommand} from './copy-state.js';
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

/** The pipe with the output of one COPY, and the string that marks the line after it. */
export type CopyOutput = {readonly descriptor: number; readonly mark: string};

/**
 * Reads the output up to the line with the state, and returns that; undefined when the output ends before. May block,
 * but not the main thread.
 */
export type CopyReader = (output: CopyOutput) => Promise<CopyState | undefined>;

/**
 * Connects, locks the tables without waiting, and imports the snapshot. Throws CONNECTION, and FAILED when the server
 * rejects a statement. The caller closes the session.
 */
export async function openCopySession(options: CopySessionOptions): Promise<CopySession> {
	const session = new CopySession(options, await takePipe(options.connection.env));
	try {
		await session.start();
		return session;
	} catch (error) {
		await session.close();
		throw error;
	}
}

/** psql opens its own output once more: it reports no rows of a COPY that goes to its output as such. */
const itself = '/dev/stdout';

export class CopySession {
	readonly #options: CopySessionOptions;
	readonly #mark = randomBytes(12).toString('hex');
	readonly #child: Child;
	readonly #descriptor: number;
	/** Settles when nothing reads the pipe. */
	#reading: Promise<unknown> = Promise.resolve();
	#closed: Promise<void> | undefined;
	#connected = false;
	/** Where psql sends a COPY. */
	#target = '|cat';

	/** The pipe is closed with the session. */
	constructor(options: CopySessionOptions, pipe: Pipe) {
		this.#options = options;
		const {psql, connection, signal} = options;
		this.#descriptor = pipe.readable;
		try {
			this.#child = startChild({
				command: psql,
				args: ['-XAtqw', ...connection.args],
				env: {PGCONNECT_TIMEOUT: '30', ...connection.env, PGCLIENTENCODING: 'UTF8', LC_ALL: 'C'},
				stdin: 'pipe',
				stdout: pipe.writable,
				signal,
			});
		} catch (error) {
			closeSync(pipe.readable);
			throw error;
		} finally {
			closeSync(pipe.writable); // psql has it: when psql exits, the pipe ends
		}
		this.#child.stdin?.on('error', () => undefined); // psql has exited: `done` gives the reason
		this.#child.done.catch(() => undefined); // thrown to the one who waits for output
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
		// Refused to psql under another account: cat passes the data on then.
		if ((await this.#run('copy (select 1) to stdout', `\\g ${itself}`)) === '1\n') this.#target = itself;
	}

	/**
	 * Runs the COPY … TO stdout that `query` returns in its column `q`: names of tables then never pass through our
	 * encoding. Returns the rows that the server reports. Throws FAILED when the server rejects the statement, CONNECTION
	 * when the session is lost, and the errors of `reader`, after which the session can only be closed.
	 */
	async copy(query: string, reader: CopyReader): Promise<number> {
		this.#send(`\\unset q\n${query} \\gset\n:q\n\\g ${this.#target}`);
		const state = await this.#read(reader({descriptor: this.#descriptor, mark: this.#mark}));
		if (!state) throw await this.#lost();
		if (state.isError) throw await this.#rejected();
		return state.rows;
	}

	/** Ends psql, after the COPY that is running. */
	close(): Promise<void> {
		this.#closed ??= this.#close();
		return this.#closed;
	}

	async #close(): Promise<void> {
		this.#child.stdin?.end();
		await this.#reading.catch(() => undefined); // thrown to the one who reads
		closeSync(this.#descriptor);
		await this.#child.done.catch(() => undefined); // it was aborted
	}

	/** Returns what is printed. */
	async #run(sql: string, end = '\\g /dev/null'): Promise<string> {
		this.#send(`${sql} ${end}`);
		const output = await this.#output();
		const {state, start} = findState(output, this.#mark) ?? {};
		if (!state || state.isError) throw await this.#rejected();
		return output.toString('latin1', 0, start);
	}

	#send(text: string): void {
		this.#child.stdin?.write(`${text}\n${stateCommand(this.#mark)}\n`);
	}

	#read<T>(reading: Promise<T>): Promise<T> {
		this.#reading = reading;
		return reading;
	}

	/** Returns the output up to the next mark. */
	async #output(): Promise<Buffer> {
		const end = Buffer.from(`${this.#mark}e\n`);
		let output: Buffer = Buffer.alloc(0);
		while (!output.subarray(-end.length).equals(end)) {
			const {bytesRead, buffer} = await this.#read(readPipe(this.#descriptor, Buffer.alloc(4096), 0, 4096, null));
			if (bytesRead === 0) throw await this.#lost();
			output = Buffer.concat([output, buffer.subarray(0, bytesRead)]);
		}
		return output;
	}

	async #rejected(): Promise<PgBackError> {
		this.#child.stdin?.write(`\\echo :LAST_ERROR_MESSAGE ${this.#mark}e\n`);
		const message = (await this.#output())
			.toString()
			.slice(0, -this.#mark.length - 3)
			.trim();
		return new PgBackError('FAILED', display(`the server says: ${message || 'the statement failed'}`));
	}

	/** Throws the reason of an abort. */
	async #lost(): Promise<PgBackError> {
		const {stderr} = await this.#child.done;
		const others = stderr.filter(line => !line.includes(itself));
		return connectionError(others, this.#connected);
	}
}

/** In the thread pool. */
const readPipe = promisify(read);

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
