/** Shared parts of the sweeps: a server with databases, watched processes, and figures. */
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {type Cluster, startCluster, startStandby} from '../../test/helpers/cluster.js';
import {waitFor} from '../../test/helpers/postgres.js';
import {
	connectTo,
	type Ended,
	newAgeKeys,
	type Running,
	scratchDirectory,
	startProgram,
} from '../../test/helpers/program.js';

/** One line of the report. */
export type Figure = {
	/** The number in the list of goals: `R1`. */
	readonly goal: string;
	readonly what: string;
	readonly total: number;
	/** What must not have happened; the goal is an empty list. */
	readonly violations: readonly string[];
	/** Counts of events, for people. */
	readonly notes?: Readonly<Record<string, number | string>>;
};

export const full = process.env['PG_BACK_FULL'] === '1';

export type Bench = {
	readonly server: Cluster;
	readonly databases: readonly string[];
	readonly recipient: string;
	/** A file with the identity. */
	readonly identity: string;
	/** Returns a new backup directory and local store. */
	readonly places: (name: string) => {readonly directory: string; readonly store: string};
	/** Further checks of the server after a run that ended by itself; violations are reported. */
	readonly check?: () => Promise<readonly string[]>;
	readonly close: () => Promise<void>;
};

/**
 * `size` is in thousands of rows of the bigger database: a thousand are about 60 kB of dump. With `standby` the runs
 * are of a standby, and must not change its replay.
 */
export async function openBench(size = 100, {standby = false} = {}): Promise<Bench> {
	const server = await startCluster({
		name: 'faults',
		settings: {max_connections: '60', ...(!standby && {wal_level: 'minimal', max_wal_senders: '0'})},
	});
	for (const name of ['big', 'small']) await server.psql('postgres', `create database ${name}`);
	const rows = (count: number) =>
		`create table t as select i, md5(i::text) || md5((i * 7)::text) as text, random() as r from generate_series(1, ${count}) as i; create index on t (i)`;
	await server.psql('big', rows(size * 1000));
	await server.psql('small', rows(100));
	const replica = standby ? await startStandby(server, {settings: {max_connections: '60'}}) : undefined;
	if (replica)
		await waitFor(
			async () => (await replica.psql('postgres', `select count(*) from pg_database where datname = 'small'`)) === '1',
			'the standby',
		);
	const keys = await newAgeKeys();
	const home = scratchDirectory('faults');
	const identity = join(home, 'identity');
	writeFileSync(identity, `${keys.identity}\n`, {mode: 0o600});
	let places = 0;
	return {
		server: replica ?? server,
		...(replica && {
			check: async () =>
				(await replica.psql('postgres', 'select pg_is_wal_replay_paused()')) === 'f' ? [] : ['replay is still paused'],
		}),
		databases: ['big', 'small'],
		recipient: keys.recipient,
		identity,
		places(name) {
			const base = join(home, `${name}${++places}`);
			mkdirSync(join(base, 'store'), {recursive: true});
			mkdirSync(join(base, 'backups'), {mode: 0o700});
			return {directory: join(base, 'backups'), store: join(base, 'store')};
		},
		async close() {
			await replica?.stop();
			await server.stop();
		},
	};
}

/** Returns options for everything that a run does: dump, encrypt, upload to a directory, purge at both places. */
export function everything(
	bench: Bench,
	{directory, store}: {readonly directory: string; readonly store: string},
): string[] {
	return [
		...connectTo(bench.server, directory),
		...['-j', '2', '--encrypt', '--cipher-public-key', bench.recipient, '-S', 'sha256'],
		...['--upload', 'local', '--local-directory', store, '--purge-remote', 'yes', '-P', '0', '-K', '2'],
		...bench.databases,
	];
}

export type Marked = Running & {readonly mark: string};

/** Starts the program with a mark in its environment, by which its children are found. */
export async function startMarked(
	args: readonly string[],
	options: Parameters<typeof startProgram>[1] = {},
): Promise<Marked> {
	const mark = `PGB_FAULTS=${Math.random().toString(36).slice(2)}`;
	const [name = '', value = ''] = mark.split('=');
	return Object.assign(await startProgram(args, {...options, env: {...options.env, PG_FAULTS: value}}), {
		mark: `PG_FAULTS=${value}`,
		name,
	});
}

/** Returns processes with the mark, with their commands. */
export function marked(mark: string): readonly string[] {
	return readdirSync('/proc').flatMap(pid => {
		if (!/^\d+$/.test(pid)) return [];
		try {
			if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)) return [];
			if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return [];
			return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`];
		} catch {
			return []; // it has exited
		}
	});
}

/** Returns those that are still running after `milliseconds`. */
export async function survivors(mark: string, milliseconds: number): Promise<readonly string[]> {
	const end = performance.now() + milliseconds;
	for (;;) {
		const alive = marked(mark);
		if (alive.length === 0 || performance.now() > end) return alive;
		await delay(20);
	}
}

/** `seconds`: after this time all processes with the mark are killed, and `hung` is reported. */
export async function runMarked(
	args: readonly string[],
	options: Parameters<typeof startProgram>[1] = {},
	seconds = 600,
): Promise<Ended & {readonly mark: string; readonly hung: boolean}> {
	const run = await startMarked(args, options);
	let hung = false;
	const timer = setTimeout(() => {
		hung = true;
		for (const one of marked(run.mark)) process.kill(Number.parseInt(one, 10), 'SIGKILL');
	}, seconds * 1000);
	const ended = await run.ended;
	clearTimeout(timer);
	return {...ended, mark: run.mark, hung};
}

/** Returns numbers that are the same in every run of a sweep with the same seed. */
export function randomSource(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let value = Math.imul(state ^ (state >>> 15), state | 1);
		value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
		return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
	};
}

export function print({goal, what, total, violations, notes}: Figure): string {
	const more = Object.entries(notes ?? {}).map(([name, value]) => `${name} ${value}`);
	const lines = [
		`${goal.padEnd(4)} ${what}: ${violations.length} of ${total}${more.length > 0 ? ` (${more.join(', ')})` : ''}`,
	];
	for (const violation of violations.slice(0, 20)) lines.push(`     ${violation}`);
	return lines.join('\n');
}

/** Returns the end of a program's output, in one line. */
export function lastLines(text: string): string {
	return text.trim().split('\n').slice(-3).join(' | ');
}
