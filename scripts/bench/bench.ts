/** The throwaway server of a bench, and the directory for everything that it makes. */
import {mkdtemp, rm} from 'node:fs/promises';
import {constants, tmpdir} from 'node:os';
import {join} from 'node:path';
import {StoppedBySignal} from '../demo/command.js';
import {type Server, startServer} from '../demo/server.js';

/** The built program. */
export const program = join(import.meta.dirname, '../../dist/pg_back.cjs');

export type Bench = {
	readonly scratch: string;
	/** Aborted by SIGINT and SIGTERM. */
	readonly signal: AbortSignal;
	/** Calls `measure` with a server, which `settings` are given to; then removes the server and `scratch`. After a signal the exit status is 128 + its number. */
	readonly withServer: (
		measure: (server: Server) => Promise<void>,
		settings?: Readonly<Record<string, string>>,
	) => Promise<void>;
};

/** Creates the directory of a bench; the caller calls `withServer` once. */
export async function createBench(): Promise<Bench> {
	const scratch = await mkdtemp(join(tmpdir(), 'pg_back-bench-'));
	const interrupt = new AbortController();
	const {signal} = interrupt;
	for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort(new StoppedBySignal(name)));
	return {
		scratch,
		signal,
		withServer: async (measure, settings) =>
			runIn(scratch, signal, async () => {
				const server = await startServer(scratch, signal, settings);
				try {
					await measure(server);
				} finally {
					await server.stop();
				}
			}),
	};
}

async function runIn(scratch: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
	try {
		await work();
	} catch (error) {
		// Stopped work fails in many ways.
		if (!(signal.reason instanceof StoppedBySignal)) throw error;
		console.error(signal.reason.message);
		process.exitCode = 128 + constants.signals[signal.reason.signal];
	} finally {
		await rm(scratch, {recursive: true, force: true});
	}
}
