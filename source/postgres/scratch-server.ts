/** A PostgreSQL server of our own for a while: in a directory of its own, on a socket only, without fsync. */
import {chmod, chown, mkdir, readFile, rm, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {captureChild, startChild, type Child} from '../process/child.js';
import type {Environment} from './environment.js';
import type {Tool} from './tools.js';

export type ScratchOptions = {
	/** The `postgres` program; its sisters stand beside it. */
	readonly server: Tool;
	/** Its directory, not there yet; its account must be able to reach it. */
	readonly directory: string;
	/** Descriptors that it inherits: locks that are held until its last process is gone. */
	readonly inherit: readonly number[];
	readonly env: Environment;
	/** Ends the server at once. */
	readonly signal: AbortSignal;
};

export type ScratchServer = {
	readonly version: number;
	/** Of the socket. */
	readonly directory: string;
	readonly port: string;
	readonly user: string;
	/** An empty directory that the server may use as a tablespace. */
	readonly tablespace: () => Promise<string>;
	/** Stops the server and removes all that it had. */
	readonly close: () => Promise<void>;
};

/** Not a name that a backup holds, so that its roles and databases can all be made. */
const superuser = 'drill_superuser';
const startTimeout = 60_000;

/** Throws FAILED when the server cannot be made or started. The caller closes it. */
export async function startScratchServer(options: ScratchOptions): Promise<ScratchServer> {
	const {server, directory, inherit, signal} = options;
	const account = await serverAccount();
	await mkdir(directory, {mode: 0o700});
	let running: Child | undefined;
	const ending = new AbortController();
	const close = async () => {
		ending.abort();
		await running?.done.catch(() => undefined); // ended on purpose
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
		await writeFile(join(data, 'postgresql.auto.conf'), configuration(directory));
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
			throw new PgBackError('FAILED', `the scratch server ended: ${stderr.at(-1) ?? 'it says nothing'}`, {
				output: stderr,
			});
		});
		ended.catch(() => undefined); // of interest until it is ready
		const timeout = setTimeout(
			() => ready.reject(new PgBackError('FAILED', 'the scratch server does not come up')),
			startTimeout,
		);
		await Promise.race([ready.promise, ended]).finally(() => clearTimeout(timeout));
		let tablespaces = 0;
		return {
			version: server.version,
			directory,
			port,
			user: superuser,
			async tablespace() {
				const path = join(directory, `tablespace${++tablespaces}`);
				await mkdir(path, {mode: 0o700});
				if (account) await chown(path, account.uid, account.gid);
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

function configuration(directory: string): string {
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
	})
		.map(([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`)
		.join('');
}

export type Account = {readonly uid: number; readonly gid: number};

/** Who runs the server when we are root, which PostgreSQL refuses to be: nobody, who owns no other server's files. */
export async function serverAccount(): Promise<Account | undefined> {
	if (process.getuid?.() !== 0) return undefined;
	const accounts = await readFile('/etc/passwd', 'utf8');
	for (const name of ['nobody', 'postgres']) {
		const [, , uid, gid] =
			accounts
				.split('\n')
				.find(line => line.startsWith(`${name}:`))
				?.split(':') ?? [];
		if (uid !== undefined && gid !== undefined) return {uid: Number(uid), gid: Number(gid)};
	}
	throw new PgBackError('FAILED', 'root cannot run a scratch server, and there is no user nobody or postgres', {
		hint: 'run the drill as another user',
	});
}

/** The command as that account, without our groups. It dies with us: a change of account undoes what `startChild` has asked for. */
export function asAccount(
	account: Account | undefined,
	command: string,
	args: readonly string[],
	deathSignal = 'TERM',
): [string, readonly string[]] {
	if (!account) return [command, args];
	return [
		'setpriv',
		[
			`--reuid=${account.uid}`,
			`--regid=${account.gid}`,
			'--clear-groups',
			'--pdeathsig',
			deathSignal,
			'--',
			command,
			...args,
		],
	];
}

/** Nothing that leads libpq elsewhere. */
function childEnvironment({PATH, TMPDIR, TZ, LD_LIBRARY_PATH}: Environment): Record<string, string | undefined> {
	return {PATH, TMPDIR, TZ, LD_LIBRARY_PATH, LC_ALL: 'C'};
}
