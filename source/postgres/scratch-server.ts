/** A temporary PostgreSQL server: in its own directory, on a socket only, without fsync. */
import {chownSync, mkdirSync} from 'node:fs';
import {chmod, chown, mkdir, rm, stat, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {type Account, accountOf, asAccount} from '../process/account.js';
import {captureChild, type Child, firstError, startChild} from '../process/child.js';
import type {Tool} from './tools.js';

export type ScratchOptions = {
	/** The `postgres` program; the other programs are in the same directory. */
	readonly server: Tool;
	/** The path of its directory, which must not exist yet; its account must be able to reach it. */
	readonly directory: string;
	/** Descriptors that it inherits: locks that are held until its last process exits. */
	readonly inherit: readonly number[];
	readonly env: Environment;
	/** Stops the server immediately. */
	readonly signal: AbortSignal;
	/** The bootstrap superuser: that of the dumped server, which may have granted memberships. */
	readonly superuser: string;
	/** The dumped server's shared_preload_libraries; available ones are loaded. */
	readonly preload: readonly string[];
	/** The database in which pg_cron may be created. */
	readonly cronDatabase?: string | undefined;
};

export type ScratchServer = {
	readonly version: number;
	/** The directory of the socket. */
	readonly directory: string;
	readonly port: string;
	readonly user: string;
	/** Returns an empty directory that the server may use as a tablespace. */
	readonly tablespace: () => string;
	/** Requested libraries that are not available. */
	readonly missingLibraries: readonly string[];
	/** Stops the server and removes all of its files. */
	readonly close: () => Promise<void>;
};

/** Milliseconds. */
const startTimeout = 60_000;

/** Starts the server. Throws FAILED when it cannot be created or started. The caller closes it. */
export async function startScratchServer(options: ScratchOptions): Promise<ScratchServer> {
	const {server, directory, inherit, signal, superuser} = options;
	const account = await serverAccount();
	await mkdir(directory, {mode: 0o700});
	let running: Child | undefined;
	const ending = new AbortController();
	const close = async () => {
		ending.abort();
		await running?.done.catch(() => undefined); // stopped on purpose
		await rm(directory, {recursive: true, force: true});
	};
	try {
		await chmod(directory, 0o700);
		if (account) await chown(directory, account.uid, account.gid);
		const data = join(directory, 'data');
		const env = {...childEnvironment(options.env), HOME: directory};
		const programs = dirname(server.path);
		const initdb = ['-D', data, '-U', superuser, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
		const [command, args] = asAccount(account, join(programs, 'initdb'), initdb);
		await captureChild({command, args, env, cwd: directory, signal}, 'initdb for the scratch server');
		const libraries = await librariesAt(programs, options.preload);
		await writeFile(
			join(data, 'postgresql.auto.conf'),
			configuration(directory, libraries.found, options.cronDatabase),
		);
		const ready = Promise.withResolvers<true>();
		const [program, words] = asAccount(account, server.path, ['-D', data], 'QUIT');
		running = startChild({
			command: program,
			args: words,
			env,
			cwd: directory,
			signal: AbortSignal.any([signal, ending.signal]),
			stopSignal: 'SIGQUIT',
			inherit,
			onLine: line => {
				if (/ready to accept connections/.test(line)) ready.resolve(true);
			},
		});
		const ended = running.done.then(({stderr}) => {
			throw new PgBackError('FAILED', `the scratch server exited: ${firstError(stderr) ?? 'no error message'}`, {
				output: stderr,
			});
		});
		ended.catch(() => undefined); // only awaited until the server is ready
		const timeout = setTimeout(
			() =>
				ready.reject(
					new PgBackError('FAILED', `the scratch server did not start within ${startTimeout / 1000} seconds`),
				),
			startTimeout,
		);
		await Promise.race([ready.promise, ended]).finally(() => clearTimeout(timeout));
		let tablespaces = 0;
		return {
			version: server.version,
			directory,
			port,
			user: superuser,
			missingLibraries: libraries.missing,
			tablespace() {
				const path = join(directory, `tablespace${++tablespaces}`);
				mkdirSync(path, {mode: 0o700});
				if (account) chownSync(path, account.uid, account.gid);
				return path;
			},
			close,
		};
	} catch (error) {
		await close();
		throw error;
	}
}

const port = '5432';

/** Libraries that only observe: they start no workers. */
const passive: ReadonlySet<string> = new Set([
	...['pg_stat_statements', 'auto_explain', 'pgaudit', 'auth_delay', 'passwordcheck', 'pg_hint_plan', 'plpgsql_check'],
	...['set_user', 'credcheck', 'pgauditlogtofile', 'pg_qualstats', 'supautils', 'plprofiler', 'orafce'],
]);

/** Directories in which packages install the libraries of a server, relative to its programs. */
const libraryDirectories = ['../lib', '../lib/postgresql', '../lib64/pgsql', '../lib64', '../../lib64/pgsql'];

async function librariesAt(programs: string, names: readonly string[]) {
	const found: string[] = [];
	const missing: string[] = [];
	for (const name of names) {
		const paths = libraryDirectories.map(below => join(programs, below, `${name}.so`));
		const isAvailable = /^[\w-]+$/.test(name) && (await Promise.all(paths.map(isFile))).includes(true);
		(isAvailable ? found : missing).push(name);
	}
	return {found, missing};
}

async function isFile(path: string): Promise<boolean> {
	return stat(path).then(
		stats => stats.isFile(),
		() => false, // missing, or not accessible
	);
}

function configuration(directory: string, libraries: readonly string[], cronDatabase = 'postgres'): string {
	return Object.entries({
		port,
		listen_addresses: '',
		unix_socket_directories: directory,
		unix_socket_permissions: '0700',
		fsync: 'off',
		full_page_writes: 'off',
		synchronous_commit: 'off',
		wal_level: 'minimal',
		max_wal_senders: '0',
		max_wal_size: '4GB',
		autovacuum: 'off',
		archive_mode: 'off',
		logging_collector: 'off',
		log_min_messages: 'log',
		lc_messages: 'C',
		maintenance_work_mem: '256MB',
		max_locks_per_transaction: '256',
		max_logical_replication_workers: '0',
		shared_preload_libraries: libraries.join(','),
		// Without worker slots no background worker starts: no job of the dumped server may run here.
		...(libraries.every(name => passive.has(name)) ? {} : {max_worker_processes: '0'}),
		...(libraries.includes('pg_cron') && {'cron.launch_active_jobs': 'off', 'cron.database_name': cronDatabase}),
		...(libraries.includes('timescaledb') && {'timescaledb.telemetry_level': 'off'}),
	})
		.map(([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`)
		.join('');
}

/**
 * Returns the account that runs the server and reads dumps when we are root: nobody, which owns no files of another
 * server.
 */
export function serverAccount(): Promise<Account | undefined> {
	return accountOf(['nobody', 'postgres'], 'a scratch server');
}

/** Without variables that redirect libpq. */
function childEnvironment({PATH, TMPDIR, TZ, LD_LIBRARY_PATH}: Environment): Record<string, string | undefined> {
	return {PATH, TMPDIR, TZ, LD_LIBRARY_PATH, LC_ALL: 'C'};
}
