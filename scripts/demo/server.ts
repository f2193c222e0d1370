/** A throwaway PostgreSQL server: its own data directory and socket, no network, removed by `stop`. */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {chmod, chown, mkdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {postgresServers} from '../setup/find.mjs';
import {capture, type Owner} from './command.js';

const port = 54_329;

export type Server = {
	readonly major: number;
	/** The directory of its socket, for `-h`. */
	readonly host: string;
	readonly port: number;
	/** The directory of psql and pg_dump. */
	readonly binDirectory: string;
	/** Runs SQL as the superuser and returns the rows, columns separated by `|`. */
	psql(database: string, sql: string): Promise<string>;
	stop(): Promise<void>;
};

/**
 * Starts a server below `directory`, which must exist; `signal` stops the waiting, `more` are settings of the server. The
 * caller calls `stop`.
 */
export async function startServer(
	directory: string,
	signal: AbortSignal,
	more: Readonly<Record<string, string>> = {},
): Promise<Server> {
	const installation = postgresServers().find(
		({major, binDirectory}) => major >= 15 && !binDirectory.includes('/native/'),
	);
	if (installation === undefined) throw new Error('no PostgreSQL server programs; start the demo with `npm run demo`');
	const {major, binDirectory} = installation;
	const data = join(directory, 'server');
	await mkdir(data, {mode: 0o700});
	const owner = await serverOwner();
	if (owner !== undefined) {
		// PostgreSQL refuses to run as root: the server's user needs access to its data.
		await chmod(directory, 0o711);
		await chown(data, owner.uid, owner.gid);
	}
	const cluster = join(data, 'data');
	const initdb = [
		'--no-sync',
		'--auth=trust',
		'--encoding=UTF8',
		'--locale=C.UTF-8',
		'--username=postgres',
		'--pgdata',
		cluster,
	];
	await capture(join(binDirectory, 'initdb'), initdb, {owner, signal});
	const settings = {
		listen_addresses: '',
		unix_socket_directories: data,
		port: String(port),
		fsync: 'off',
		max_connections: '50',
		logging_collector: 'off',
		...more,
	};
	const serverArguments = [
		'-D',
		cluster,
		...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
	];
	// A separate session: Ctrl-C must reach pg_back first, and the server only when that has exited.
	const child = spawn(join(binDirectory, 'postgres'), serverArguments, {
		stdio: 'ignore',
		detached: true,
		cwd: data,
		...owner,
	});
	const psql = async (database: string, sql: string): Promise<string> => {
		const connection = ['-h', data, '-p', String(port), '-U', 'postgres', '-d', database];
		return capture(join(binDirectory, 'psql'), ['-XAtq', '-v', 'ON_ERROR_STOP=1', ...connection, '-f', '-'], {
			input: sql,
			signal,
		});
	};
	const stop = async (): Promise<void> => stopServer(child);
	try {
		await untilItAnswers(child, async () => psql('postgres', 'select 1'), signal);
	} catch (error) {
		await stop();
		throw error;
	}
	return {major, host: data, port, binDirectory, psql, stop};
}

async function untilItAnswers(child: ChildProcess, ask: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
	const deadline = performance.now() + 60_000;
	for (;;) {
		signal.throwIfAborted();
		if (child.exitCode !== null) throw new Error(`the throwaway server ended with status ${child.exitCode}`);
		try {
			await ask();
			return;
		} catch (error) {
			if (performance.now() > deadline) throw error;
		}
		await sleep(100, undefined, {signal});
	}
}

/** Fast shutdown; after 10 seconds an immediate one. */
async function stopServer(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const ended = once(child, 'exit');
	child.kill('SIGINT');
	const impatient = setTimeout(() => child.kill('SIGQUIT'), 10_000);
	await ended;
	clearTimeout(impatient);
}

/** Returns the account for the server when we are root: postgres, else nobody. */
async function serverOwner(): Promise<Owner | undefined> {
	if (process.getuid?.() !== 0) return undefined;
	const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'));
	const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
	if (user === undefined)
		throw new Error('no user postgres or nobody to run the throwaway server; run the demo as an ordinary user');
	return {uid: Number(user[2]), gid: Number(user[3])};
}
