/** Reads the fleet from its store and judges each server. */
import {PgBackError} from '../core/errors.js';
import type {ServerView} from '../core/fleet.js';
import type {FleetProgress} from '../core/fleet-handle.js';
import {display} from '../lib/display.js';
import {compileGlob} from '../lib/glob.js';
import {openRemote, shortRetries, type Store} from '../repository/remote.js';
import type {StoreContext} from '../runs/context.js';
import {viewOf} from './judge.js';
import {concurrentReads, readFleet} from './read-fleet.js';

export type FleetQuery = {
	readonly store: Store;
	/** Servers match one of these; all without any. */
	readonly patterns: readonly string[];
	readonly onProgress?: (progress: FleetProgress) => void;
};

/** Returns the servers by name. Throws USAGE, STORAGE, and NOTHING_TO_DO for a pattern that no server matches. */
export async function viewFleet(
	run: StoreContext,
	{store, patterns, onProgress}: FleetQuery,
): Promise<readonly ServerView[]> {
	const {configuration, signal} = run;
	const tests = patterns.map(pattern => ({pattern, test: compileGlob(pattern)}));
	const malformed = tests.find(({test}) => test === undefined);
	if (malformed) throw new PgBackError('USAGE', `malformed pattern ${display(malformed.pattern)}`);
	const chooses = (server: string) => tests.length === 0 || tests.some(({test}) => test?.(server));
	const remote = await openRemote(run, store, {...shortRetries, jobs: concurrentReads});
	try {
		const {fleetPrefix} = configuration.settings;
		const found = await readFleet({remote, fleetPrefix, signal, chooses, ...(onProgress && {onProgress})});
		const unmatched = tests.find(({test}) => !found.some(({server}) => test?.(server)));
		if (unmatched)
			throw new PgBackError('NOTHING_TO_DO', `no server of the fleet matches ${display(unmatched.pattern)}`);
		return found.map(one => viewOf(one, run.now().getTime()));
	} finally {
		await remote.close();
	}
}
