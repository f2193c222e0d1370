/** Looks at the server while dumps run, on one connection of its own. It never fails a dump: what it cannot have, it names once. */
import {setTimeout as delay} from 'node:timers/promises';
import {messageOf} from '../../core/errors.js';
import {takeSample, type ServerSample} from '../../postgres/progress-sample.js';
import {PostgresError, type Session} from '../../postgres/session.js';

export type SamplerOptions = {
	/** Opens a session of its own on the server; ends it when it is closed. */
	readonly connect: () => Promise<Session>;
	/** Milliseconds between two samples, at the least. */
	readonly interval: number;
	readonly now: () => number;
	/** The application names of the dumps that run; none: the server is left alone. */
	readonly applications: () => readonly string[];
	readonly onSample: (sample: ServerSample) => void;
	/** Called once for each reason. */
	readonly warn: (text: string) => void;
};

/** Seconds for one answer: by the server's own clock, and by ours when it says nothing at all. */
const statementTimeout = 10;
const answerTimeout = 20;
const firstPause = 5000;
const longestPause = 60_000;

/** Starts at once; the first look is taken after two intervals, so that a short run costs no connection. Returns what ends it. */
export function startSampler(options: SamplerOptions): () => Promise<void> {
	const ending = new AbortController();
	const running = sampleUntil(options, ending.signal);
	return async () => {
		ending.abort();
		await running;
	};
}

async function sampleUntil(options: SamplerOptions, signal: AbortSignal): Promise<void> {
	const {interval, now, applications, onSample} = options;
	const warned = new Set<string>();
	const warn = (text: string) => {
		if (!warned.has(text)) options.warn(text);
		warned.add(text);
	};
	let session: Session | undefined;
	let pause = firstPause;
	let rest = 2 * interval;
	while (!signal.aborted) {
		await delay(rest, undefined, {signal, ref: false}).catch(() => undefined); // it ends
		const names = applications();
		rest = interval;
		if (isOver(signal) || names.length === 0) continue;
		try {
			if (!session?.alive) session = await open(options);
			const start = now();
			onSample(await takeSample(session, names, {now, timeout: answerTimeout}));
			pause = firstPause;
			// A server that needs long for it is asked less often.
			rest = Math.max(interval, (now() - start) * 4);
		} catch (error) {
			if (error instanceof PostgresError) warn(`the progress of the dumps is not visible: ${error.message}`);
			else {
				warn(`the connection that watches the dumps is lost: ${messageOf(error)}; they go on`);
				await session?.close();
				session = undefined;
			}
			rest = pause;
			pause = Math.min(longestPause, pause * 2);
		}
	}
	await session?.close();
}

async function open({connect}: SamplerOptions): Promise<Session> {
	const session = await connect();
	await session.query(`select pg_catalog.set_config('statement_timeout', '${statementTimeout}s', false)`);
	return session;
}

/** Asked anew: the compiler takes a property that was false for false after an await. */
function isOver(signal: AbortSignal): boolean {
	return signal.aborted;
}
