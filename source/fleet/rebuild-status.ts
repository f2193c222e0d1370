/** `--fleet-rebuild`: makes the status object of a server again from the manifests and proofs at the remote location. */
import {hostname} from 'node:os';
import {PgBackError} from '../core/errors.js';
import {plural} from '../lib/format.js';
import {jsonLine} from '../lib/json-line.js';
import type {Manifest} from '../repository/manifest.js';
import {openPlace} from '../repository/place.js';
import {type Proven, readProofs} from '../repository/proofs.js';
import type {Store} from '../repository/remote.js';
import {verdictOf} from '../repository/verdict.js';
import type {RunResult, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {type DatabaseStatus, type ServerStatus, statusKey, statusSchema} from './status.js';

export async function rebuildStatus(run: StoreContext, store: Store): Promise<RunResult> {
	const {fleetPrefix, serverName, expectEvery} = run.configuration.settings;
	const server = serverName === '' ? hostname() : serverName;
	const place = await openPlace(run, store);
	try {
		const manifests = (await place.manifests(run.signal)).map(({manifest}) => manifest);
		const proofs = [...(await readProofs(run, place, run.signal)).values()];
		const status = statusOfManifests(manifests, proofs, {server, expectEvery});
		if (!status || !place.remote)
			throw new PgBackError('NOTHING_TO_DO', `no manifest to rebuild the status of ${server} from at ${place.label}`, {
				hint: 'check upload_prefix, and name the server with --server',
			});
		const bytes = Buffer.from(`${jsonLine(status)}\n`);
		const source = {
			size: bytes.length,
			async *read(offset: number) {
				if (offset < bytes.length) yield bytes.subarray(offset);
			},
		};
		await place.remote.storage.put(statusKey(fleetPrefix, server, 'status'), source, {signal: run.signal});
		const text = `rebuilt the status of ${server} from ${plural(manifests.length, 'run')}: ${plural(status.databases.length, 'database')}`;
		run.emit({type: 'log', level: 'info', text});
		return resultOf([], run.signal);
	} finally {
		await place.close();
	}
}

/** Returns undefined without any manifest. Databases that the newest run did not dump are not the server's any more. Pure. */
export function statusOfManifests(
	manifests: readonly Manifest[],
	proofs: readonly Proven[],
	{server, expectEvery}: {readonly server: string; readonly expectEvery: number},
): ServerStatus | undefined {
	const newestFirst = manifests
		.filter(({outcome}) => outcome !== 'running')
		.toSorted((a, b) => Date.parse(b.start) - Date.parse(a.start));
	const [last] = newestFirst;
	if (last === undefined) return undefined;
	const failed = new Map(last.failed.map(one => [one.database, one.code] as const));
	return {
		schema: statusSchema,
		server,
		host: last.host,
		version: last.version,
		serverVersion: last.server.version,
		runId: last.runId,
		start: last.start,
		end: last.end,
		exitCode: last.outcome === 'complete' ? 0 : 1,
		outcome: last.outcome === 'complete' ? 'done' : 'failed',
		...(expectEvery > 0 && {expectEvery}),
		databases: last.databases.map(database => {
			const code = failed.get(database);
			return {
				database,
				...lastGoodOf(newestFirst, database),
				...proofOf(proofs, database),
				...(code !== undefined && {lastError: {time: last.end, code}}),
			};
		}),
	};
}

function lastGoodOf(newestFirst: readonly Manifest[], database: string): Pick<DatabaseStatus, 'lastGood'> {
	for (const {files, failed} of newestFirst) {
		const own = files.filter(file => file.database === database);
		const dump = own.find(({role}) => role === 'dump');
		if (!dump || failed.some(one => one.database === database)) continue;
		const [place] = dump.shipped;
		return {
			lastGood: {
				time: dump.time,
				bytes: own.reduce((sum, {size}) => sum + size, 0),
				// How long it took is in no manifest.
				seconds: 0,
				...(place && {location: place.location, key: place.key}),
			},
		};
	}
	return {};
}

function proofOf(proofs: readonly Proven[], database: string): Pick<DatabaseStatus, 'lastRestored' | 'lastProven'> {
	const own = proofs.flatMap(({databases}) => databases.filter(one => one.database === database));
	const last = (times: readonly string[]) => times.toSorted((a, b) => Date.parse(b) - Date.parse(a))[0];
	const restored = last(own.map(({time}) => time));
	const proven = last(own.filter(one => verdictOf(one) === 'proven').map(({time}) => time));
	return {...(restored && {lastRestored: restored}), ...(proven && {lastProven: proven})};
}
