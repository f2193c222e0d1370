/** Directory dumps that are shipped from one server and restored into another, table by table. */
import assert from 'node:assert/strict';
import {clientDirectory, type Cluster} from '../helpers/cluster.js';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
import {connectTo, type Ended, type KeyFile, scratchDirectory, startProgram, succeeded} from '../helpers/program.js';
import {configFile, impatient, type Place, placeKinds, runConfigured} from './remote-places.js';

export type Pair = {readonly source: Cluster; readonly target: Cluster};

export type DirectoryDump = {
	readonly store: 's3' | 'local';
	readonly database: string;
	readonly compression: string;
	/** Encrypted for this key. */
	readonly keys?: KeyFile | undefined;
	/** Of pg_dump. */
	readonly options?: string;
};

/** Ships the dump to a new place, calls `act`, and removes the place and what was restored. */
export async function withShipped(
	{source, target}: Pair,
	{store, database, compression, keys, options}: DirectoryDump,
	act: (place: Place) => Promise<void>,
): Promise<void> {
	const place = await placeKinds.find(kind => kind.store === store)?.start();
	assert.ok(place);
	const encryption = keys ? ['--encrypt', '--cipher-public-key', keys.recipient] : [];
	const extra = options === undefined ? [] : [`pg_dump_options = ${options}`];
	try {
		succeeded(
			await runConfigured(
				source,
				[...place.settings, `upload = ${place.store}`, ...extra],
				['-B', clientDirectory(source.major), '--format', 'directory', '-Z', compression, ...encryption, database],
				{env: place.env},
			),
		);
		await act(place);
	} finally {
		await place.stop();
		await dropDatabases(target, ...(await databasesOf(target)));
	}
}

/** Returns the arguments of a restore from `place` into `target` that streams. */
export function restoreArguments(place: Place, target: Cluster, ...args: readonly string[]): string[] {
	const [, ...connection] = connectTo(target, scratchDirectory('members-none'));
	return [
		...['-c', configFile([...impatient, ...place.settings]), ...connection, '-B', clientDirectory(target.major)],
		...['--restore', place.store, '--restore-jobs', '2', '--stream', 'yes', ...args],
	];
}

export async function restore(place: Place, target: Cluster, ...args: readonly string[]): Promise<Ended> {
	return (await startProgram(restoreArguments(place, target, ...args), {env: place.env})).ended;
}
