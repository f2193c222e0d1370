/**
 * Throwaway PostgreSQL servers for tests: real ones, on loopback and a socket of their own, stopped with the test
 * process.
 */
import {type ChildProcess, execFile, execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {appendFileSync, rmSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {join} from 'node:path';
import {createDataDirectory} from './data-directory.js';
import {asServerUser, runAsServerUser, serverDirectory, serverEnvironment} from './server-user.js';
import {postgresClients, postgresServers} from './tools.js';

export type ClusterOptions = {
	/** The required major version; by default the newest with client tools. */
	readonly version?: number;
	/** A part of the directory's name. */
	readonly name?: string;
	/** Lines for postgresql.conf; values are quoted here. */
	readonly settings?: Readonly<Record<string, string>>;
	/**
	 * The authentication method, by socket and by loopback: `trust` by default. With another one the superuser's password
	 * is `secret`.
	 */
	readonly auth?: 'trust' | 'scram-sha-256';
};

export type Cluster = {
	readonly major: number;
	readonly port: number;
	readonly directory: string;
	readonly socketDirectory: string;
	readonly superuser: string;
	/** The directory of the server's programs; psql and pg_dump may be missing there. */
	readonly binDirectory: string;
	/** Through the socket, as the superuser. */
	connectionString(database: string): string;
	/** Runs `sql` as the superuser, and returns what `psql -At` prints without the last newline. Rejects at the first error. */
	psql(database: string, sql: string): Promise<string>;
	/** The postmaster's log so far. */
	log(): string;
	stop(): Promise<void>;
};

/**
 * Returns the available server majors, in ascending order, each with the directory of its programs; without those that
 * are too new for each client at hand.
 */
export function realServerVersions(): ReadonlyMap<number, string> {
	const newest = Math.max(...realClientVersions().keys());
	const found = new Map(postgresServers().map(({major, binDirectory}) => [major, binDirectory]));
	const initdbs = Object.entries(process.env).flatMap(([name, value]) =>
		/^PG_BACK_TEST_PG_\d+$/.test(name) && value ? [join(value, 'initdb')] : [],
	);
	for (const initdb of initdbs) {
		const major = majorOf(initdb);
		if (major !== undefined) found.set(major, join(initdb, '..'));
	}
	return new Map([...found].filter(([major]) => major <= newest).sort(([a], [b]) => a - b));
}

function majorOf(program: string): number | undefined {
	try {
		const text = execFileSync(program, ['--version'], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});
		const [, first, second] = /\) (\d+)(?:\.(\d+))?/.exec(text) ?? [];
		return first === undefined ? undefined : Number(first) < 10 ? Number(`${first}.${second ?? 0}`) : Number(first);
	} catch {
		return undefined; // built for another platform, or incomplete: not available
	}
}

/**
 * Returns the available majors of pg_dump, in ascending order, each with the directory of psql, pg_dump, pg_dumpall,
 * pg_restore and pg_basebackup: the real ones, not Debian's wrapper.
 */
export function realClientVersions(): ReadonlyMap<number, string> {
	return new Map(postgresClients().map(({major, binDirectory}) => [major, binDirectory]));
}

/**
 * Returns the client programs for a server: those of its major, or the next newer; without `major` the system's own.
 */
export function clientDirectory(major?: number): string {
	const versions = [...realClientVersions()];
	const own = versions.findLast(([, path]) => !/\/\.tools\/pg\d+\//.test(path));
	const found = major === undefined ? (own ?? versions.at(-1)) : versions.find(([version]) => version >= major);
	if (!found)
		throw new Error(`no PostgreSQL client programs${major === undefined ? '' : ` for server ${major}`} at hand`);
	return found[1];
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	server.close();
	await once(server, 'close');
	if (address === null || typeof address === 'string') throw new Error('no port');
	return address.port;
}

/** Starts a server; the caller stops it. It is also stopped at the end of the process. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
	const versions = realServerVersions();
	const major = options.version ?? majorOf(join(clientDirectory(), 'initdb')) ?? [...versions.keys()].at(-1);
	const binDirectory = major === undefined ? undefined : versions.get(major);
	if (major === undefined || binDirectory === undefined) {
		throw new Error(
			`no PostgreSQL ${options.version ?? 'server'} at hand (PG_BACK_TEST_PG_${options.version ?? 'N'} can name its bin directory)`,
		);
	}
	const auth = options.auth ?? 'trust';
	const directory = serverDirectory(options.name ?? 'pg');
	const data = join(directory, 'data');
	return removedOnFailure(directory, async () => {
		await createDataDirectory({major, binDirectory, auth}, data);
		return startServer({...options, major, binDirectory, directory, auth});
	});
}

/**
 * Starts a hot standby of `primary`, created by pg_basebackup, streaming from it. The primary must allow replication
 * (the default). The caller stops it, before the primary.
 */
export async function startStandby(
	primary: Cluster,
	options: Pick<ClusterOptions, 'name' | 'settings'> = {},
): Promise<Cluster> {
	const directory = serverDirectory(options.name ?? 'standby');
	const data = join(directory, 'data');
	return removedOnFailure(directory, async () => {
		await runAsServerUser(join(clientDirectory(primary.major), 'pg_basebackup'), [
			...['-D', data, '-d', primary.connectionString('postgres'), '--no-sync', '-c', 'fast', '-X', 'stream'],
		]);
		// Not -R, which may write settings that the libpq of an older server does not know.
		writeFileSync(join(data, 'standby.signal'), '');
		const settings = {primary_conninfo: primary.connectionString('postgres'), ...options.settings};
		const {major, binDirectory} = primary;
		return startServer({settings, major, binDirectory, directory, auth: 'trust'});
	});
}

async function removedOnFailure<T>(directory: string, work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		rmSync(directory, {recursive: true, force: true});
		throw error;
	}
}

type ServerStart = Pick<ClusterOptions, 'settings'> & {
	readonly major: number;
	readonly binDirectory: string;
	readonly directory: string;
	readonly auth: 'trust' | 'scram-sha-256';
};

async function startServer({major, binDirectory, directory, auth, settings}: ServerStart): Promise<Cluster> {
	const data = join(directory, 'data');
	const port = await freePort();
	const all: Record<string, string> = {
		port: String(port),
		listen_addresses: '127.0.0.1',
		[major < 9.3 ? 'unix_socket_directory' : 'unix_socket_directories']: directory,
		fsync: 'off',
		autovacuum: 'off',
		lc_messages: 'C',
		max_wal_senders: '5',
		logging_collector: 'off',
		...settings,
	};
	for (const [name, value] of Object.entries(all)) {
		appendFileSync(
			join(data, 'postgresql.conf'),
			`${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`,
		);
	}
	const [command, args] = asServerUser(join(binDirectory, 'postgres'), ['-D', data], 'QUIT');
	const server = spawn(command, args, {stdio: ['ignore', 'ignore', 'pipe'], env: serverEnvironment, cwd: '/'});
	let log = '';
	server.stderr.setEncoding('utf8');
	const ready = new Promise<void>((resolve, reject) => {
		server.stderr.on('data', (text: string) => {
			log += text;
			if (/ready to accept/.test(text)) resolve();
		});
		server.once('exit', code => reject(new Error(`PostgreSQL ${major} ended with ${code ?? 'a signal'}:\n${log}`)));
	});
	const onExit = () => {
		server.kill('SIGQUIT');
		rmSync(directory, {recursive: true, force: true});
	};
	process.once('exit', onExit);
	await ready;
	// A test that forgets to stop its server must still end.
	server.unref();
	(server.stderr as unknown as {unref(): void}).unref();
	const password = auth === 'trust' ? '' : ' password=secret';
	const connectionString = (database: string) =>
		`host=${directory} port=${port} user=postgres${password} dbname='${database.replaceAll(/['\\]/g, '\\$&')}'`;
	return {
		major,
		port,
		directory,
		socketDirectory: directory,
		superuser: 'postgres',
		binDirectory,
		connectionString,
		psql: (database, sql) => psql(connectionString(database), sql),
		log: () => log,
		async stop() {
			process.removeListener('exit', onExit);
			await stopServer(server);
			rmSync(directory, {recursive: true, force: true});
		},
	};
}

async function stopServer(server: ChildProcess): Promise<void> {
	if (server.exitCode !== null || server.signalCode !== null) return;
	server.ref();
	server.kill('SIGQUIT');
	await once(server, 'exit');
}

/** Returns the output of `psql -At` for `sql`, without the last newline; rejects at the first error. */
export function psql(connectionString: string, sql: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const args = ['-XAtqw', '-v', 'ON_ERROR_STOP=1', '-d', connectionString, '-f', '-'];
		const child = execFile(
			join(clientDirectory(), 'psql'),
			args,
			{env: {...serverEnvironment, PGCLIENTENCODING: 'UTF8'}, maxBuffer: 1 << 28},
			(error, stdout, stderr) => {
				if (error) reject(new Error(`psql: ${stderr || error.message}`));
				else resolve(stdout.replace(/\n$/, ''));
			},
		);
		child.stdin?.end(sql);
	});
}
