/** The fleet on the command line: the table, JSON, metrics, and one line for monitoring. */
import {fleetStore} from '../config/checks.js';
import {oldestOf, serverTotals, type ServerView, verdictMarks} from '../core/fleet.js';
import {checkFleetAge} from '../fleet/check-fleet-age.js';
import {fleetRecords, fleetTable} from '../fleet/print-fleet.js';
import {viewFleet} from '../fleet/view-fleet.js';
import {replaceMetrics} from '../reporters/metrics.js';
import {type Metric, printMetrics, type Sample} from '../reporters/prometheus.js';
import {unknown} from '../repository/check-age.js';
import type {RunResult, StoreContext} from '../runs/context.js';
import {type Io, writerTo} from './io.js';

/** Runs `--fleet`, `--check-age` and `--fleet-metrics` with a single read. */
export async function fleetWork(io: Io, run: StoreContext): Promise<RunResult> {
	const {checkAge: limit, fleetMetrics, fleet, long, json, ascii} = run.configuration.settings;
	if (limit === undefined) {
		const found = await views(run);
		if (fleetMetrics !== '') await replaceMetrics(fleetMetrics, fleetText(found, run.now().getTime() / 1000));
		if (fleet === 'none') return {exitCode: 0, outcome: 'done'};
		const lines = json ? fleetRecords(found) : fleetTable(found, verdictMarks(ascii), long);
		await print(io, lines);
		return {exitCode: 0, outcome: 'done'};
	}
	const {text, status} = await views(run).then(found => checkFleetAge(found, limit), unknown);
	io.stdout.write(`${text}\n`);
	return {exitCode: status, outcome: status === 0 ? 'done' : 'failed'};
}

async function print(io: Io, lines: readonly string[]): Promise<void> {
	const write = writerTo(io);
	try {
		for (let start = 0; start < lines.length; start += 1000)
			await write(`${lines.slice(start, start + 1000).join('\n')}\n`);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error; // the reader has closed the pipe
	}
}

function views(run: StoreContext): Promise<readonly ServerView[]> {
	const {settings, arguments: names} = run.configuration;
	const store = fleetStore(settings, names);
	if (store === undefined) throw new TypeError('checked before: a store is named');
	return viewFleet(run, {store, patterns: settings.fleet === 'none' ? names.slice(1) : names});
}

/** Formats the fleet. `now` is in seconds since the epoch. */
function fleetText(views: readonly ServerView[], now: number): string {
	const each = (value: (view: ServerView) => number | undefined): Sample[] =>
		views.flatMap(view => {
			const found = value(view);
			return found === undefined ? [] : [{labels: {server: view.server}, value: found}];
		});
	const past = (age: number | undefined) => (age === undefined ? undefined : Math.round(now - age));
	const metrics: Metric[] = [
		{name: 'fleet_read_timestamp_seconds', help: 'when the fleet was read', samples: [{value: Math.round(now)}]},
		{
			name: 'fleet_server_ok',
			help: '1 unless the server failed, is silent, or never reported',
			samples: each(({verdict}) => (verdict === 'failed' ? 0 : 1)),
		},
		{
			name: 'fleet_server_last_run_timestamp_seconds',
			help: 'when the last backup of the server ended',
			samples: each(({last}) => past(last?.age)),
		},
		{
			name: 'fleet_server_last_exit_code',
			help: 'exit status of the last backup of the server',
			samples: each(({last}) => last?.exitCode),
		},
		{
			name: 'fleet_server_running',
			help: '1 while a backup of the server runs',
			samples: each(({running}) => (running ? 1 : 0)),
		},
		{
			name: 'fleet_server_databases',
			help: 'databases of the server',
			samples: each(({databases}) => databases.length),
		},
		{
			name: 'fleet_server_bytes',
			help: 'bytes of the last good dumps of the server',
			samples: each(view => serverTotals(view).bytes),
		},
		{
			name: 'fleet_server_oldest_good_timestamp_seconds',
			help: 'when the oldest of the last good dumps of the server was made',
			samples: each(({databases}) => past(oldestOf(databases)?.age)),
		},
		{
			name: 'fleet_server_databases_without_good_dump',
			help: 'databases of the server without any good dump',
			samples: each(({databases}) => databases.filter(({age}) => age === undefined).length),
		},
	];
	return printMetrics(metrics);
}
