/**
 * Samples the server while dumps or restores run, on a separate connection. It never fails a dump: what is unavailable
 * is reported once.
 */
import {setTimeout as delay} from 'node:timers/promises';
import {messageOf} from '../core/errors.js';
import {PostgresError, type Session} from '../postgres/session.js';

export type SamplerOptions<S> = {
	/** Opens a separate session on the server, which the sampler closes. */
	readonly connect: () => Promise<Session>;
	/** Minimum milliseconds between two samples. */
	readonly interval: number;
	readonly now: () => number;
	/** Returns the application names of the running jobs; none: the server is not queried. */
	readonly applications: () => readonly string[];
	/** Takes one sample; `timeout` is in seconds. */
	readonly take: (
		session: Session,
		applications: readonly string[],
		options: {readonly now: () => number; readonly timeout: number},
	) => Promise<S>;
	readonly onSample: (sample: S) => void;
	/** For people: `dumps`. */
	readonly what: string;
	/** Called once for each reason. */
	readonly warn: (text: string) => void;
};

/** Seconds for one response: by the server's clock, and by ours when it does not respond at all. */
const statementTimeout = 10;
const answerTimeout = 20;
const firstPause = 5000;
const longestPause = 60_000;

/**
 * Starts immediately; the first sample is taken after two intervals, so that a short run needs no connection. Returns
 * the function that stops it.
 */
export function startSampler<S>(options: SamplerOptions<S>): () => Promise<void> {
	const ending = new AbortController();
	const running = sampleUntil(options, ending.signal);
	return async () => {
		ending.abort();
		await running;
	};
}

async function sampleUntil<S>(options: SamplerOptions<S>, signal: AbortSignal): Promise<void> {
	const {interval, now, applications, take, onSample, what} = options;
	const warned = new Set<string>();
	const warn = (text: string) => {
		if (!warned.has(text)) options.warn(text);
		warned.add(text);
	};
	let session: Session | undefined;
	let retryAfter = firstPause;
	let wait = 2 * interval;
	while (!signal.aborted) {
		await delay(wait, undefined, {signal, ref: false}).catch(() => undefined); // it is stopping
		const names = applications();
		wait = interval;
		if (isOver(signal) || names.length === 0) continue;
		try {
			if (!session?.alive) session = await open(options);
			const start = now();
			onSample(await take(session, names, {now, timeout: answerTimeout}));
			retryAfter = firstPause;
			// A server that responds slowly is queried less often.
			wait = Math.max(interval, (now() - start) * 4);
		} catch (error) {
			if (error instanceof PostgresError) warn(`cannot show the progress of the ${what}: ${error.message}`);
			else {
				warn(`lost the connection that monitors the ${what}: ${messageOf(error)}; the ${what} continue`);
				await session?.close();
				session = undefined;
			}
			wait = retryAfter;
			retryAfter = Math.min(longestPause, retryAfter * 2);
		}
	}
	await session?.close();
}

async function open({connect}: Pick<SamplerOptions<unknown>, 'connect'>): Promise<Session> {
	const session = await connect();
	await session.query(`select pg_catalog.set_config('statement_timeout', '${statementTimeout}s', false)`);
	return session;
}

/** A function, because the compiler assumes that a property that was false is still false after an await. */
function isOver(signal: AbortSignal): boolean {
	return signal.aborted;
}
