/** Where the dumps of a server are, according to its report. */
import type {Configuration} from '../config/configuration.js';
import {prefixProblem} from '../config/prefix-checks.js';
import {PgBackError} from '../core/errors.js';
import {commonDirectory} from '../lib/common-directory.js';
import {display} from '../lib/display.js';
import {openRemote, shortRetries, type Store} from '../repository/remote.js';
import {dumpOf} from '../retention/names.js';
import type {StoreContext} from '../runs/context.js';
import {concurrentReads, type FleetServer, readFleet} from './read-fleet.js';

/** Returns our configuration with the prefix of the server's dumps. Throws NOTHING_TO_DO if none is reported, and STORAGE. */
export async function reportedConfiguration(run: StoreContext, store: Store, server: string): Promise<Configuration> {
	const {configuration, signal} = run;
	const {settings} = configuration;
	const remote = await openRemote(run, store, {...shortRetries, jobs: concurrentReads});
	try {
		const {fleetPrefix} = settings;
		const [found] = await readFleet({remote, fleetPrefix, signal, chooses: name => name === server});
		const {location} = remote.storage;
		const uploadPrefix = reportedPrefix(found, location);
		if (uploadPrefix === undefined)
			throw new PgBackError('NOTHING_TO_DO', `${display(server)} has reported no dump at ${display(location)}`);
		return {
			...configuration,
			settings: {...settings, uploadPrefix, serverName: server},
			given: name => name === 'uploadPrefix' || configuration.given(name),
		};
	} finally {
		await remote.close();
	}
}

/**
 * Returns the directory of all dumps that the server has reported at `location`, without a trailing slash; undefined
 * without any. Pure.
 */
export function reportedPrefix(found: Pick<FleetServer, 'status'> | undefined, location: string): string | undefined {
	const keys = (found?.status?.databases ?? []).flatMap(({lastGood}) =>
		lastGood?.key !== undefined && lastGood.location === location ? [dumpOf(lastGood.key)] : [],
	);
	if (keys.length === 0) return undefined;
	const directory = commonDirectory(keys).replace(/\/$/, '');
	return prefixProblem(directory) === undefined ? directory : undefined;
}
