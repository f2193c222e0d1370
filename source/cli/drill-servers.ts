/** `--servers` with `--budget`: finds out which servers are due, for the order and the length of their turns. */
import {PgBackError} from '../core/errors.js';
import {shareDrillTime} from '../fleet/drill-turns.js';
import type {Turns} from '../fleet/run-servers.js';
import {drillTimes} from '../restore/drill-budget.js';
import {runOfServer, type ServersCommand} from './server-runs.js';

/** Resolves to the turns of the servers. */
export async function drillTurns({io, commandLine, settings, servers, signal}: ServersCommand): Promise<Turns> {
	const {budget, restoreDrill, serverJobs} = settings;
	return shareDrillTime({
		servers,
		jobs: serverJobs,
		seconds: budget,
		now: Date.now,
		async timesOf(server) {
			// The server's own process reports what is wrong with its configuration and its dumps.
			const run = await runOfServer({io, commandLine, server, signal, emit: () => undefined});
			if (run === undefined || restoreDrill === 'none') return undefined;
			try {
				return await drillTimes(run, restoreDrill);
			} catch (error) {
				if (error instanceof PgBackError) return undefined;
				throw error;
			}
		},
	});
}
