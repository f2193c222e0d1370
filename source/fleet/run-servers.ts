/** Runs one process of pg_back for each server, `jobs` at a time: a failure of one cannot affect another. */
import {CancelledError, PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {createLineSplitter} from '../lib/lines.js';
import {startChild} from '../process/child.js';

export type ServerOutcome = {
	readonly server: string;
	/** `no time left`: all of the time of the drills was used by others, which is no failure. */
	readonly outcome: 'ok' | 'failed' | 'canceled' | 'not started' | 'no time left';
	/** Absent when a signal killed the process, or it was not started. */
	readonly exitCode?: number;
	/** Seconds. */
	readonly seconds: number;
	/** The last error that it reported, or how it ended. */
	readonly error?: string;
};

/** One process for a server. */
export type Turn = {
	readonly server: string;
	/** Command-line options for this process only. */
	readonly options: readonly string[];
};

/** Decides which servers have a process, and when. */
export type Turns = {
	/** Returns the next process to start; undefined when no more is to be started. */
	readonly next: () => Turn | undefined;
	/** Called when the process has exited. */
	readonly ended: (turn: Turn, outcome: ServerOutcome) => Promise<void>;
};

export type ServersOptions = {
	readonly servers: readonly string[];
	readonly turns: Turns;
	readonly jobs: number;
	/** The interpreter and our program. */
	readonly program: readonly string[];
	readonly argumentsFor: (turn: Turn) => readonly string[];
	readonly env: Environment;
	/** Stops all processes, each like the first signal of a user, and starts no more. */
	readonly signal: AbortSignal;
	/** Called with each line that a process writes. */
	readonly onLine: (server: string, line: string, stream: 'stdout' | 'stderr') => void;
};

/** Milliseconds; a stopped run has ten seconds for its hooks and for resuming replication. */
const killAfter = 20_000;
/** Characters: the event of a run with ten thousand jobs is one line. */
const longestLine = 64 << 20;

/** Returns one turn for each server, in this order. */
export function oneTurnEach(servers: readonly string[]): Turns {
	const waiting = servers.values();
	return {
		next() {
			const {value: server} = waiting.next();
			return server === undefined ? undefined : {server, options: []};
		},
		ended: async () => undefined,
	};
}

/**
 * Resolves to one outcome for each server, in the same order, when all processes have exited; never rejects because of
 * their failures.
 */
export async function runServers(options: ServersOptions): Promise<readonly ServerOutcome[]> {
	const {servers, turns, jobs, signal} = options;
	const outcomes = new Map<string, ServerOutcome>();
	const work = async () => {
		while (!signal.aborted) {
			const turn = turns.next();
			if (turn === undefined) return;
			const outcome = await runServer(turn, options);
			const earlier = outcomes.get(turn.server)?.seconds ?? 0;
			outcomes.set(turn.server, {...outcome, seconds: earlier + outcome.seconds});
			await turns.ended(turn, outcome);
		}
	};
	await Promise.all(Array.from({length: Math.min(jobs, servers.length)}, work));
	const without = signal.aborted ? 'not started' : 'no time left';
	return servers.map(server => outcomes.get(server) ?? {server, outcome: without, seconds: 0});
}

async function runServer(turn: Turn, options: ServersOptions): Promise<ServerOutcome> {
	const {server} = turn;
	const {program, argumentsFor, env, signal, onLine} = options;
	const started = performance.now();
	const seconds = () => (performance.now() - started) / 1000;
	const [command = '', ...args] = program;
	let reported: string | undefined;
	const see = (line: string, stream: 'stdout' | 'stderr') => {
		reported = errorIn(line) ?? reported;
		onLine(server, line, stream);
	};
	try {
		const child = startChild({
			command,
			args: [...args, ...argumentsFor(turn)],
			env,
			signal,
			killAfter,
			stdout: 'pipe',
			onLine: line => see(line, 'stderr'),
		});
		const stdout = readLines(child.stdout, line => see(line, 'stdout'));
		const {exitCode, signalName} = await child.done;
		await stdout;
		if (exitCode === 0) return {server, outcome: 'ok', exitCode, seconds: seconds()};
		const error = signalName === null ? reported : `killed by ${signalName}`;
		return {
			server,
			outcome: 'failed',
			...(exitCode !== null && {exitCode}),
			seconds: seconds(),
			...(error !== undefined && {error}),
		};
	} catch (error) {
		if (error instanceof CancelledError) return {server, outcome: 'canceled', seconds: seconds()};
		if (!(error instanceof PgBackError)) throw error;
		return {server, outcome: 'failed', seconds: seconds(), error: error.message};
	}
}

async function readLines(stream: AsyncIterable<Uint8Array> | null, onLine: (line: string) => void): Promise<void> {
	if (stream === null) return;
	const splitter = createLineSplitter(onLine, longestLine);
	const decoder = new TextDecoder();
	try {
		for await (const chunk of stream) splitter.push(decoder.decode(chunk, {stream: true}));
	} catch (error) {
		// The process was killed with its pipe open: its exit status is what matters.
		if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
	}
	splitter.end();
}

/** Returns the message in a log line of an error, or in the last event of a failed run. */
function errorIn(line: string): string | undefined {
	if (!line.startsWith('{')) return /^\S+ \S+ (?:ERROR|FATAL): (.*)$/.exec(line)?.[1];
	if (!line.includes('"run.finished"')) return undefined;
	try {
		const event = JSON.parse(line) as {readonly error?: {readonly message?: unknown}} | null;
		return typeof event?.error?.message === 'string' ? event.error.message : undefined;
	} catch {
		return undefined; // another kind of line
	}
}
