/** Reports runs to the catalog of the fleet. A failed report causes a warning and never fails the run. */
import {hostname} from 'node:os';
import type {Shard} from '../config/shard.js';
import type {EventBus} from '../core/bus.js';
import {messageOf} from '../core/errors.js';
import type {RunState} from '../core/run-state.js';
import {jsonLine} from '../lib/json-line.js';
import {openRemote, type Remote, shortRetries} from '../repository/remote.js';
import {readSmallObject} from '../repository/small-object.js';
import {newRunId, type RunContext} from '../runs/context.js';
import type {StoreName} from '../storage/definitions.js';
import {unnamedServer} from './shards/run-plan.js';
import {largestStatus, parseServerStatus, type ServerStatus, statusKey, type StatusKind} from './status.js';
import {statusOfBackup, statusOfDrill, statusOfRunning, type StatusOptions} from './status-of-run.js';

export type FleetReports = {
	/** Resolves when every report was sent or has failed. */
	readonly settled: () => Promise<void>;
};

type Base = Pick<RunContext, 'configuration' | 'env' | 'toolEnv' | 'now' | 'version'>;

/** Milliseconds between two reports of a running backup. */
export const heartbeat = 5 * 60_000;
/** Milliseconds for one report: an unreachable store delays the end of a run by no more than this. */
const patience = 60_000;
/** Milliseconds for a report of a canceled run. */
const lastPatience = 5000;

/**
 * Subscribes to the bus: backups and drills of a server with `fleet_prefix` are reported to each store that they
 * upload to.
 */
export function startFleetReports(
	bus: EventBus,
	base: Base,
	{interactive, shard}: {readonly interactive: boolean; readonly shard?: Shard | undefined},
): FleetReports {
	const {settings, origin} = base.configuration;
	const {upload, fleetPrefix} = settings;
	if (fleetPrefix === '' || upload.length === 0) return {settled: async () => undefined};
	// The shards of one server run on several hosts.
	const unnamed = shard ? unnamedServer : hostname();
	const server = settings.serverName === '' ? unnamed : settings.serverName;
	// In the console, or by the command line, a run may be about some databases only.
	const partial =
		interactive || (['includeDbs', 'excludeDbs'] as const).some(name => origin(name).kind === 'command line');
	const options: StatusOptions = {server, expectEvery: settings.expectEvery, partial};
	const warn = (error: unknown) =>
		bus.emit({
			type: 'log',
			level: 'warn',
			text: `the status of the server could not be reported to the fleet: ${messageOf(error)}`,
		});
	// Sequential: a report that says "running" must not arrive after the last one.
	let last: Promise<void> = Promise.resolve();
	const report = (work: (remote: Remote, signal: AbortSignal) => Promise<void>) => {
		last = last.then(async () => {
			const isCanceled = bus.state().finished?.outcome === 'cancelled';
			const signal = AbortSignal.timeout(isCanceled ? lastPatience : patience);
			const reportTo = async (store: StoreName) => {
				try {
					const remote = await openRemote({...base, ...newRunId(), emit: bus.emit, signal}, store, shortRetries);
					await work(remote, signal).finally(() => remote.close());
				} catch (error) {
					warn(error);
				}
			};
			await Promise.all(upload.map(reportTo));
		});
	};
	const key = (kind: StatusKind) => statusKey(fleetPrefix, server, kind, shard);
	/** A drill of dumps of another server, from the console, is a report about that one. */
	const reportDrill = (state: RunState) => {
		const about = state.serverName ?? server;
		const place = {key: statusKey(fleetPrefix, about, 'drill', shard), server: about};
		report((remote, signal) =>
			putStatus(remote, place, before => statusOfDrill(state, before, {...options, server: about}), signal),
		);
	};
	let timer: NodeJS.Timeout | undefined;
	bus.subscribe((event, state) => {
		if (event.type === 'run.started' && event.command === 'backup') {
			const running = () =>
				report((remote, signal) =>
					putJson(remote, key('running'), statusOfRunning(bus.state(), server, Date.now()), signal),
				);
			running();
			timer = setInterval(running, heartbeat).unref();
		}
		if (event.type !== 'run.finished') return;
		clearInterval(timer);
		// A process that starts too late for its run reports nothing about the server.
		if (shard && state.finished?.error?.code === 'CONFIG') return;
		if (state.command === 'backup')
			report(async (remote, signal) => {
				await putStatus(remote, {key: key('status'), server}, before => statusOfBackup(state, before, options), signal);
				await removeQuietly(remote, key('running'), signal);
			});
		else if (state.command === 'drill') reportDrill(state);
	});
	return {settled: () => last};
}

async function putStatus(
	remote: Remote,
	{key, server}: {readonly key: string; readonly server: string},
	make: (before: ServerStatus | undefined) => ServerStatus | undefined,
	signal: AbortSignal,
): Promise<void> {
	const content = await readSmallObject(remote.storage, key, signal, largestStatus);
	const before = content === undefined ? undefined : parseServerStatus(content, server);
	const status = make(before && 'value' in before ? before.value : undefined);
	if (status) await putJson(remote, key, status, signal);
}

async function putJson({storage}: Remote, key: string, value: unknown, signal: AbortSignal): Promise<void> {
	const bytes = Buffer.from(`${jsonLine(value)}\n`);
	const source = {
		size: bytes.length,
		async *read(offset: number) {
			if (offset < bytes.length) yield bytes.subarray(offset);
		},
	};
	await storage.put(key, source, {signal});
}

/**
 * Credentials may lack the permission to delete on purpose: readers can detect that the run of this object has ended.
 */
async function removeQuietly({storage}: Remote, key: string, signal: AbortSignal): Promise<void> {
	await storage.remove([key], {signal}).catch(() => []);
}
