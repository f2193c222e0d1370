/** `--servers` with `--restore-drill` and `--budget`: the drills of all servers share one time. */
import {inParallel} from '../lib/in-parallel.js';
import type {ServerOutcome, Turn, Turns} from './run-servers.js';

export type DrillTurns = {
	readonly servers: readonly string[];
	/** The processes that run at the same time. */
	readonly jobs: number;
	/** The time for all drills together. */
	readonly seconds: number;
	/**
	 * Resolves to when each database of a server was last restored, in milliseconds since the epoch, the oldest first;
	 * undefined if it cannot be known, which the server's own process reports.
	 */
	readonly timesOf: (server: string) => Promise<readonly number[] | undefined>;
	/** Milliseconds since the epoch. */
	readonly now: () => number;
};

type Waiting = {
	readonly server: string;
	/** When its database that was restored longest ago was restored. */
	readonly stalest: number;
	/** Databases that were not restored since the start. */
	readonly due: number;
};

/**
 * Resolves to the turns: first the server with the database that was restored longest ago. Each turn has an equal share
 * of the time that is left, so that one server cannot use it all; a server that still has databases to restore gets
 * another turn when the others have needed less.
 */
export async function shareDrillTime({servers, jobs, seconds, timesOf, now}: DrillTurns): Promise<Turns> {
	const started = now();
	const waiting: Waiting[] = [];
	await inParallel(servers, async server => void waiting.push(waitingFor(server, await timesOf(server))));
	/** The databases that were due when the last turn of a server began. */
	const dueBefore = new Map<string, number>();
	let running = 0;
	return {
		next() {
			const left = seconds - (now() - started) / 1000;
			// One database is always restored, however short the time.
			if (left <= 0 && dueBefore.size > 0) return undefined;
			const [first] = waiting.sort((x, y) => turnsOf(x) - turnsOf(y) || x.stalest - y.stalest || compareNames(x, y));
			if (first === undefined) return undefined;
			const share = left * Math.min(1, jobs / (waiting.length + running));
			waiting.shift();
			running++;
			dueBefore.set(first.server, first.due);
			return {server: first.server, options: [`--budget=${Math.max(1, Math.ceil(share))}`]};
		},
		async ended({server}: Turn, {outcome}: ServerOutcome) {
			running--;
			if (outcome !== 'ok') return;
			const again = waitingFor(server, await timesOf(server));
			// A turn that restored nothing would be repeated until the time is used.
			if (again.due > 0 && again.due < (dueBefore.get(server) ?? 0)) waiting.push(again);
		},
	};

	/** Another turn waits until every server has had one. */
	function turnsOf({server}: Waiting): number {
		return dueBefore.has(server) ? 1 : 0;
	}

	function waitingFor(server: string, times: readonly number[] = []): Waiting {
		return {server, stalest: times[0] ?? 0, due: times.filter(time => time < started).length};
	}
}

function compareNames(a: Waiting, b: Waiting): number {
	return a.server < b.server ? -1 : 1;
}
