/** A real OpenSSH server on a free loopback port, run by an unprivileged user, with its own keys and configuration. */
import {type ChildProcess, execFile, spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {type AddressInfo, createServer} from 'node:net';
import {tmpdir, userInfo} from 'node:os';
import {join, resolve} from 'node:path';
import {createInterface} from 'node:readline';
import {promisify} from 'node:util';
import {findTool} from './tools.js';

const run = promisify(execFile);

export type HostKeyType = 'ed25519' | 'rsa' | 'ecdsa';

export type Sshd = {
	readonly host: string;
	readonly port: number;
	readonly user: string;
	/** Where a session starts, empty at first. */
	readonly home: string;
	/** Scratch directory for keys and known_hosts files of the test. */
	readonly scratch: string;
	/** A private key that may log in. */
	readonly clientKey: string;
	/** `ssh-ed25519 AAAA…` of each host key. */
	readonly hostKeys: Readonly<Record<HostKeyType, string>>;
	/** A known_hosts file with every host key under `[127.0.0.1]:port`. */
	readonly knownHosts: string;
	readonly log: readonly string[];
	/** Kills the open sessions, like a crash or a partition; the server continues. */
	readonly killSessions: () => Promise<void>;
	readonly stop: () => Promise<void>;
};

export type SshdOptions = {
	/** Keys that the server offers. Default: ed25519. */
	readonly offer?: readonly HostKeyType[];
	/** More lines for sshd_config. */
	readonly config?: readonly string[];
	/** Further public keys that may log in. */
	readonly authorizedKeys?: readonly string[];
	/** Arguments of internal-sftp, such as `-P fsync` to disable requests. */
	readonly sftpArguments?: string;
};

const binary = findTool('sshd');

/** Why there is no sshd here; undefined when there is one. */
export const sshdMissing: string | undefined =
	binary === undefined ? 'no sshd (Debian package openssh-server)' : undefined;

/** Returns the user that the server runs as and serves: ourselves, or postgres when we are root. */
async function servedUser(): Promise<{name: string; uid: number; gid: number; prefix: string[]}> {
	const me = userInfo();
	if (me.uid !== 0) return {name: me.username, uid: me.uid, gid: me.gid, prefix: []};
	const {stdout} = await run('getent', ['passwd', 'postgres']);
	const [name = '', , uid = '', gid = ''] = stdout.trim().split(':');
	return {
		name,
		uid: Number(uid),
		gid: Number(gid),
		prefix: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups'],
	};
}

export async function makeKey(path: string, type: HostKeyType, passphrase = ''): Promise<string> {
	await run('ssh-keygen', [
		'-q',
		'-t',
		type,
		...(type === 'rsa' ? ['-b', '2048'] : []),
		'-N',
		passphrase,
		'-C',
		'test',
		'-f',
		path,
	]);
	const [name, key] = (await readFile(`${path}.pub`, 'utf8')).split(' ');
	return `${name} ${key}`;
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
	if (binary === undefined) throw new Error(sshdMissing);
	const user = await servedUser();
	const root = await mkdtemp(join(tmpdir(), 'sshd-'));
	await chmod(root, 0o755);
	const at = (name: string) => join(root, name);
	const types: readonly HostKeyType[] = ['ed25519', 'rsa', 'ecdsa'];
	const made = await Promise.all(types.map(async type => [type, await makeKey(at(`host_${type}`), type)] as const));
	const hostKeys = Object.fromEntries(made) as Record<HostKeyType, string>;
	const clientPublic = await makeKey(at('client'), 'ed25519');
	await writeFile(at('authorized_keys'), [clientPublic, ...(options.authorizedKeys ?? [])].join('\n') + '\n');
	await mkdir(at('home'));
	for (const name of ['home', ...types.map(type => `host_${type}`)]) await chown(at(name), user.uid, user.gid);
	const {port, child, log} = await launch(user.prefix, root, options);
	await writeFile(at('known_hosts'), types.map(type => `[127.0.0.1]:${port} ${hostKeys[type]}\n`).join(''));
	return {
		host: '127.0.0.1',
		port,
		user: user.name,
		home: at('home'),
		scratch: root,
		clientKey: at('client'),
		hostKeys,
		knownHosts: at('known_hosts'),
		log,
		killSessions: async () => {
			for (const pid of await descendants(child.pid!)) kill(pid);
		},
		stop: async () => {
			const sessions = child.exitCode === null ? await descendants(child.pid!) : [];
			const ended = child.exitCode === null ? new Promise(resolve => child.once('exit', resolve)) : undefined;
			child.kill('SIGTERM');
			sessions.forEach(kill);
			await ended;
			await rm(root, {recursive: true, force: true});
		},
	};
}

async function launch(prefix: readonly string[], root: string, options: SshdOptions) {
	for (let attempt = 1; ; attempt++) {
		const port = await freePort();
		await writeFile(join(root, 'sshd_config'), configuration(root, port, options));
		const [command, ...args] = [...prefix, binary!, '-D', '-e', '-f', join(root, 'sshd_config')];
		const child = spawn(command, args, {stdio: ['ignore', 'ignore', 'pipe']});
		const log: string[] = [];
		if (await listening(child, log)) return {port, child, log};
		if (attempt === 5 || !log.some(line => line.includes('Address already in use')))
			throw new Error(`sshd did not start: ${log.join(' | ')}`);
	}
}

function configuration(
	root: string,
	port: number,
	{offer = ['ed25519'], config = [], sftpArguments = ''}: SshdOptions,
): string {
	const lines = [
		`Port ${port}`,
		'ListenAddress 127.0.0.1',
		...offer.map(type => `HostKey ${root}/host_${type}`),
		'PidFile none',
		'UsePAM no',
		'StrictModes no',
		`AuthorizedKeysFile ${root}/authorized_keys`,
		'PasswordAuthentication no',
		'KbdInteractiveAuthentication no',
		'MaxStartups 200',
		...sinceDivided(),
		`Subsystem sftp internal-sftp -d ${root}/home ${sftpArguments}`,
		...config,
		'LogLevel VERBOSE', // last: the first of a keyword counts
	];
	return lines.join('\n') + '\n';
}

/**
 * OpenSSH since 9.8 starts further programs, by paths that are wrong for one that was only unpacked. It also refuses an
 * address for a while after logins that failed, as those of these tests do.
 */
function sinceDivided(): readonly string[] {
	const programs = [
		['SshdSessionPath', 'sshd-session'],
		['SshdAuthPath', 'sshd-auth'],
	] as const;
	const found = programs
		.map(([keyword, name]) => [keyword, resolve(binary!, '../../lib/openssh', name)] as const)
		.filter(([, path]) => existsSync(path))
		.map(words => words.join(' '));
	return found.length > 0 ? [...found, 'PerSourcePenalties no'] : [];
}

function listening(child: ChildProcess, log: string[]): Promise<boolean> {
	return new Promise((resolve, reject) => {
		createInterface({input: child.stderr!}).on('line', line => {
			log.push(line);
			if (line.startsWith('Server listening on 127.0.0.1')) resolve(true);
		});
		child.once('error', reject);
		child.once('exit', () => resolve(false));
	});
}

export function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once('error', reject);
		server.listen(0, '127.0.0.1', () => {
			const {port} = server.address() as AddressInfo;
			server.close(() => resolve(port));
		});
	});
}

/** Returns every process below `pid`, the youngest generation last. */
async function descendants(pid: number): Promise<number[]> {
	const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
	const direct = children.trim().split(' ').filter(Boolean).map(Number);
	return [...direct, ...(await Promise.all(direct.map(descendants))).flat()];
}

function kill(pid: number): void {
	try {
		process.kill(pid, 'SIGKILL');
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
	}
}
