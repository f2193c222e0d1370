/**
 * A control connection: one psql that is kept running, so that all of libpq's rules (strings, services, .pgpass, TLS,
 * GSS) are the same as for pg_dump. A statement is written to it; its records are returned, terminated by NUL, which no
 * PostgreSQL text can contain, and then a line with the state. Fields and NULLs are marked by a random string of the
 * session.
 */
import {randomBytes} from 'node:crypto';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import {createCollector} from '../lib/memory.js';
import {decodeRaw, encodeRaw} from '../lib/raw-text.js';
import {type Child, startChild} from '../process/child.js';
import type {Connection} from './connection.js';
import {connectionError} from './connection-error.js';

/** A statement that the server rejected. */
export class PostgresError extends PgBackError {
	/** Five characters, such as 42501. */
	readonly sqlstate: string;

	constructor(message: string, sqlstate: string) {
		super('FAILED', `the server says: ${message}`);
		this.sqlstate = sqlstate;
	}
}

export type Row = readonly (string | null)[];

export type QueryOptions = {
	/** Seconds after which the session is closed because the server does not respond. 600 by default; 0 waits forever. */
	readonly timeout?: number;
	/**
	 * Called with each row as it arrives; the result is empty then. Must not throw. A statement that fails may have
	 * delivered rows before.
	 */
	readonly onRow?: (row: Row) => void;
};

export type Session = {
	/** The host that psql connected to, or the directory of the socket. */
	readonly host: string;
	readonly port: string;
	readonly user: string;
	readonly database: string;
	/** Such as 150018. */
	readonly serverVersion: number;
	/** False when psql has exited or the connection is lost. */
	readonly alive: boolean;
	/**
	 * Runs one statement without a semicolon; statements are queued. Rejects with PostgresError when the server rejects
	 * it, and with PgBackError CONNECTION when the connection is lost.
	 */
	readonly query: (sql: string, options?: QueryOptions) => Promise<readonly Row[]>;
	/** Stops psql. */
	readonly close: () => Promise<void>;
};

export type SessionOptions = {
	/** The path of psql, version 11 or newer. */
	readonly psql: string;
	readonly connection: Connection;
	/** Overrides the database of the connection. */
	readonly database?: string;
	/** Further options of the server process, such as `-c jit=off`. */
	readonly serverOptions?: string;
	/** Closes the session when aborted. */
	readonly signal: AbortSignal;
	/**
	 * Seconds to wait for a server that does not respond, per address. PGCONNECT_TIMEOUT and connect_timeout override it.
	 */
	readonly connectTimeout?: number;
};

/** Connects. Rejects with PgBackError CONNECTION. The caller closes the session. */
export async function openSession(options: SessionOptions): Promise<Session> {
	const connection = options.connection.forSession(options.database);
	const mark = randomBytes(12).toString('hex');
	const ending = new AbortController();
	const child = startChild({
		command: options.psql,
		args: [...['-XAtqz0w', '-F', `${mark}f`, '-P', `null=${mark}n`], ...connection.args],
		env: {
			PGCONNECT_TIMEOUT: String(options.connectTimeout ?? 30),
			...connection.env,
			...(options.serverOptions && {
				PGOPTIONS: joinServerOptions(connection.env['PGOPTIONS'], options.serverOptions),
			}),
			PGCLIENTENCODING: 'UTF8',
			LC_ALL: 'C', // messages that connectionError() can recognize
		},
		stdin: 'pipe',
		stdout: 'pipe',
		signal: AbortSignal.any([options.signal, ending.signal]),
	});
	const channel = createChannel(child, ending, mark);
	try {
		return await begin(channel, mark);
	} catch (error) {
		await channel.close();
		throw error;
	}
}

/** Asks psql where it is connected to, and makes the session independent of the settings of its role and database. */
async function begin(channel: Channel, mark: string): Promise<Session> {
	const shown = await channel.send(
		`\\echo :HOST ${mark}f :PORT ${mark}f :USER ${mark}f :DBNAME ${mark}f :SERVER_VERSION_NUM`,
		0,
		() => undefined,
	);
	const [host = '', port = '', user = '', database = '', version = ''] = shown.trimEnd().split(` ${mark}f `);
	const query = async (sql: string, queryOptions: QueryOptions = {}): Promise<readonly Row[]> => {
		const rows: Row[] = [];
		const {timeout = 600, onRow = (row: Row) => rows.push(row)} = queryOptions;
		const separator = `${mark}f`;
		const none = `${mark}n`;
		await channel.send(`${sql}\n;`, timeout, record =>
			onRow(record.split(separator).map(field => (field === none ? null : field))),
		);
		return rows;
	};
	const serverVersion = Number(version);
	const [[, encoding = null] = []] = await query(
		`select pg_catalog.set_config('search_path', '', false), pg_catalog.current_setting('server_encoding')`,
	);
	await query(`select ${neutralSettings(serverVersion, encoding).join(', ')}`);
	return {
		host,
		port,
		user,
		database,
		serverVersion,
		get alive() {
			return channel.alive();
		},
		query,
		close: channel.close,
	};
}

/** Returns the value of PGOPTIONS with all of these options. */
export function joinServerOptions(...options: readonly (string | undefined)[]): string {
	return options.filter(Boolean).join(' ');
}

/** Escapes a value for PGOPTIONS, where spaces and backslashes need a backslash. */
export function escapeServerOption(text: string): string {
	return text.replaceAll(/[\s\\]/g, character => `\\${character}`);
}

/**
 * Returns settings that keep those of a role or a database from changing our statements, or from ending a session that
 * is idle during a dump.
 */
export function neutralSettings(serverVersion: number, encoding: string | null): string[] {
	const settings: readonly (readonly [string, string, number])[] = [
		['statement_timeout', '0', 0],
		['client_min_messages', 'error', 0],
		['datestyle', 'ISO', 0],
		['default_transaction_read_only', 'off', 0],
		// Names that format() quotes are compared with those of other servers.
		['quote_all_identifiers', 'off', 90_100],
		// Raw bytes: psql removes from UTF-8 what it considers invalid, such as U+FFFE or a byte of Latin 1.
		['client_encoding', encoding === 'UTF8' || encoding === 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8', 0],
		['lock_timeout', '0', 90_300],
		// Catalog queries only look expensive: JIT compilation takes a hundred times as long as running them.
		['jit', 'off', 110_000],
		['idle_in_transaction_session_timeout', '0', 90_600],
		['transaction_timeout', '0', 170_000],
		['idle_session_timeout', '0', 140_000],
	];
	return settings
		.filter(([, , since]) => serverVersion >= since)
		.map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`);
}

type Channel = {
	readonly alive: () => boolean;
	/**
	 * Passes each record of a statement to `onRecord`, and returns what is printed after the last one. `timeout` is in
	 * seconds; 0: none.
	 */
	readonly send: (text: string, timeout: number, onRecord: (record: string) => void) => Promise<string>;
	readonly close: () => Promise<void>;
};

type Waiting = {
	readonly text: string;
	readonly onRecord: (record: string) => void;
	readonly timeout: number;
	readonly resolve: (rest: string) => void;
	readonly reject: (error: unknown) => void;
};

/** Runs one statement at a time through psql's stdin and stdout. */
function createChannel(child: Child, ending: AbortController, mark: string): Channel {
	const queue: Waiting[] = [];
	let current: Waiting | undefined;
	let timer: NodeJS.Timeout | undefined;
	const collect = createCollector(10_000);
	let failure: Error | undefined;
	let connected = false;

	const next = () => {
		if (current) return;
		current = queue.shift();
		if (!current) return;
		const {text, timeout} = current;
		if (timeout > 0) timer = setTimeout(() => fail(silent(timeout)), timeout * 1000);
		child.stdin?.write(encodeRaw(`${text}\n\\echo ${mark}s :ERROR :SQLSTATE :LAST_ERROR_MESSAGE ${mark}e\n`));
	};
	const settle = (action: (waiting: Waiting) => void) => {
		clearTimeout(timer);
		const waiting = current;
		current = undefined;
		if (waiting) action(waiting);
		next();
	};
	const fail = (error: Error) => {
		failure ??= error;
		clearTimeout(timer);
		const all = current ? [current, ...queue.splice(0)] : queue.splice(0);
		current = undefined;
		for (const waiting of all) waiting.reject(failure);
		ending.abort(failure);
	};
	child.stdin?.on('error', () => undefined); // psql has exited: `done` gives the reason
	const read = createReader(mark, {
		onRecords(records) {
			collect(records.length);
			for (const record of records) current?.onRecord(record);
		},
		onEnd(rest, error) {
			connected = true;
			settle(waiting => (error ? waiting.reject(error) : waiting.resolve(rest)));
		},
	});
	child.stdout?.on('data', read);
	child.done.then(
		result => fail(failure ?? connectionError(result.stderr, connected)),
		(error: unknown) => fail(error instanceof Error ? error : toPgBackError(error)),
	);
	return {
		alive: () => failure === undefined,
		send(text: string, timeout: number, onRecord: (record: string) => void): Promise<string> {
			return new Promise((resolve, reject) => {
				if (failure !== undefined) reject(failure);
				else {
					queue.push({text, timeout, onRecord, resolve, reject});
					next();
				}
			});
		},
		close: async (): Promise<void> => {
			failure ??= new PgBackError('CONNECTION', 'the session is closed');
			child.stdin?.end();
			await child.done.catch(() => undefined);
		},
	};
}

type Reader = {
	readonly onRecords: (records: readonly string[]) => void;
	/** Called at the end of a statement with what was printed after its last record. */
	readonly onEnd: (rest: string, error: PostgresError | undefined) => void;
};

/**
 * Returns a function that reads what psql prints. Records are passed on as they arrive: together, those of a large
 * catalog take several times their memory.
 */
function createReader(mark: string, {onRecords, onEnd}: Reader): (chunk: Buffer) => void {
	const end = `${mark}e\n`;
	/** What has arrived of a record that is not complete. */
	let chunks: Buffer[] = [];
	let tail = '';
	return chunk => {
		const complete = chunk.lastIndexOf(0) + 1;
		if (complete > 0) {
			onRecords(
				decodeRaw(Buffer.concat([...chunks, chunk.subarray(0, complete)]))
					.split('\0')
					.slice(0, -1),
			);
			chunks = [];
		}
		chunks.push(chunk.subarray(complete));
		tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - end.length))).slice(-end.length);
		if (tail !== end) return;
		const output = decodeRaw(Buffer.concat(chunks));
		chunks = []; // the session may be idle for as long as a dump takes
		tail = '';
		const at = output.lastIndexOf(`${mark}s `);
		const [isError = '', sqlstate = '', ...message] = output.slice(at + mark.length + 2, -end.length - 1).split(' ');
		const error = isError === 'true' ? new PostgresError(messageOf(message.join(' ')), sqlstate) : undefined;
		onEnd(output.slice(0, at), error);
	};
}

function silent(seconds: number): PgBackError {
	return new PgBackError('CONNECTION', `the server has not responded for ${seconds} seconds`);
}
