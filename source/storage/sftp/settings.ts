/** What an SFTP target is told, completed from ~/.ssh/config as ssh would. */
import {glob, readFile} from 'node:fs/promises';
import {hostname as localHostName, userInfo} from 'node:os';
import {isAbsolute, join, normalize} from 'node:path';
import SSHConfig from 'ssh-config';
import {messageOf, PgBackError} from '../../core/errors.js';
import type {OpenContext} from '../storage.js';
import {parseFingerprints, type HostIdentity, type HostKeyPolicy} from './host-keys.js';

/** Undefined and '' both mean: not given. */
export type SftpSettings = {
	/** A name, an address (IPv6 with or without brackets) or a `Host` of the ssh configuration. */
	readonly host: string;
	/** Give it only when the user did: a default would hide the one of the ssh configuration. */
	readonly port?: number;
	readonly user?: string;
	/** Also the passphrase of the identity. */
	readonly password?: string;
	/** Empty: where the session starts. */
	readonly directory?: string;
	/** A private key file; `~` and `~user` are understood. */
	readonly identity?: string;
	readonly ignoreHostKey?: boolean;
	/** `SHA256:…`, one or more. */
	readonly hostKeyFingerprint?: string;
	/** Instead of ~/.ssh/config; `none` for no file at all. */
	readonly configFile?: string;
};

export type SftpContext = OpenContext & {readonly home?: string};

export type ResolvedSftp = {
	/** What is connected to. */
	readonly host: string;
	readonly port: number;
	readonly user: string;
	readonly password: string;
	readonly directory: string;
	/** From the settings: the only key that counts, and it must be usable. */
	readonly identity: string | undefined;
	/** From the ssh configuration, or the usual ones: used where they are there and can be opened. */
	readonly identities: readonly string[];
	readonly agent: string | undefined;
	readonly hostKeys: HostKeyPolicy;
	readonly hostIdentity: HostIdentity;
};

export async function resolveSettings(settings: SftpSettings, context: SftpContext): Promise<ResolvedSftp> {
	if (!settings.host) throw new PgBackError('CONFIG', 'no sftp host is given', {hint: 'set sftp_host'});
	const home = context.home ?? context.env['HOME'] ?? userInfo().homedir;
	const asked = settings.host.replace(/^\[(.*)\]$/, '$1');
	const config = await readSshConfig(settings.configFile, asked, settings.user, home);
	const port = settings.port ?? config.port ?? 22;
	const user = settings.user || config.user || osUser();
	const host = (config.hostName ?? '%h').replaceAll('%h', asked).replaceAll('%%', '%');
	const expand = (path: string) => expandHome(expandTokens(path, {host, asked, port, user, home}), home);
	const identities = config.identities ?? ['id_rsa', 'id_ecdsa', 'id_ed25519'].map(name => join(home, '.ssh', name));
	const files = config.knownHosts ?? ['~/.ssh/known_hosts', '~/.ssh/known_hosts2'];
	return {
		host,
		port,
		user,
		password: settings.password ?? '',
		directory: cleanDirectory(settings.directory ?? ''),
		identity: settings.identity ? await expandHome(settings.identity, home) : undefined,
		identities: await Promise.all(identities.filter(file => file !== 'none').map(expand)),
		agent: context.env['SSH_AUTH_SOCK'] || undefined,
		hostKeys: hostKeyPolicy(settings, [...(await Promise.all(files.map(expand))), ...globalFiles]),
		hostIdentity: {host, port, alias: config.hostKeyAlias},
	};
}

const globalFiles = ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'];

function hostKeyPolicy(settings: SftpSettings, files: readonly string[]): HostKeyPolicy {
	const fingerprints = parseFingerprints(settings.hostKeyFingerprint ?? '');
	if (settings.ignoreHostKey && fingerprints.length > 0) {
		throw new PgBackError('CONFIG', 'sftp_ignore_hostkey and sftp_host_key_fingerprint contradict each other', {
			hint: 'leave out sftp_ignore_hostkey: the fingerprint is enough to trust the host',
		});
	}
	if (settings.ignoreHostKey) return {kind: 'ignore'};
	return fingerprints.length > 0 ? {kind: 'fingerprint', fingerprints} : {kind: 'strict', files};
}

type SshConfigValues = {
	readonly hostName?: string;
	readonly user?: string;
	readonly port?: number;
	readonly identities?: readonly string[];
	readonly knownHosts?: readonly string[];
	readonly hostKeyAlias?: string;
};

async function readSshConfig(
	file: string | undefined,
	host: string,
	user: string | undefined,
	home: string,
): Promise<SshConfigValues> {
	if (file === 'none') return {};
	const path = file ? await expandHome(file, home) : join(home, '.ssh', 'config');
	try {
		const text = await readWithIncludes(path, join(home, '.ssh'), file !== undefined && file !== '');
		// `Match exec` would run a command: that is for ssh, not for us.
		const options = {ignoreCase: true, matchExec: false};
		const parsed = SSHConfig.parse(text);
		const values = user ? parsed.compute({Host: host, User: user}, options) : parsed.compute(host, options);
		const one = (name: string) => listOf(values[name])[0];
		const port = one('port');
		if (port !== undefined && !/^\d{1,5}$/.test(port)) throw new Error(`not a port: ${port}`);
		return {
			hostName: one('hostname'),
			user: one('user'),
			port: port === undefined ? undefined : Number(port),
			identities: values['identityfile'] === undefined ? undefined : listOf(values['identityfile']),
			knownHosts:
				values['userknownhostsfile'] === undefined
					? undefined
					: listOf(values['userknownhostsfile']).filter(name => name !== 'none'),
			hostKeyAlias: one('hostkeyalias'),
		};
	} catch (error) {
		throw new PgBackError('CONFIG', `could not use the ssh configuration ${path}: ${messageOf(error)}`, {
			cause: error,
			hint: 'correct the file, or name another one with sftp_config_file (none: no file)',
		});
	}
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
	if (value === undefined) return [];
	return typeof value === 'string' ? [value] : value;
}

/** Several files stand on one line, quoted where they hold blanks. */
function splitFiles(line: string): string[] {
	return [...line.matchAll(/"([^"]*)"|(\S+)/g)]
		.map(found => found[1] ?? found[2] ?? '')
		.filter(file => file !== 'none');
}

/** The text with what `Include` names in its place; relative names are below ~/.ssh, as ssh_config(5) says. */
async function readWithIncludes(path: string, base: string, mustExist: boolean, depth = 0): Promise<string> {
	let text: string;
	try {
		text = await readFile(path, 'utf8');
	} catch (error) {
		if (!mustExist && (error as NodeJS.ErrnoException).code === 'ENOENT') return '';
		throw error;
	}
	if (depth > 16) throw new Error('too many levels of Include');
	const lines: string[] = [];
	for (const line of text.split('\n')) {
		const included = /^\s*Include(?:\s+|\s*=\s*)(.+)$/i.exec(line)?.[1];
		if (included === undefined) {
			lines.push(line);
			continue;
		}
		for (const pattern of splitFiles(included)) {
			const full = await expandHome(pattern, join(base, '..'));
			for await (const name of glob(isAbsolute(full) ? full : join(base, full))) {
				lines.push(await readWithIncludes(name, base, false, depth + 1));
			}
		}
	}
	return lines.join('\n');
}

function expandTokens(
	text: string,
	of: {host: string; asked: string; port: number; user: string; home: string},
): string {
	const values: Readonly<Record<string, string>> = {
		'%': '%',
		h: of.host,
		n: of.asked,
		p: String(of.port),
		r: of.user,
		d: of.home,
		u: osUser(),
		l: localHostName(),
	};
	return text.replaceAll(/%(.)/g, (all, letter: string) => values[letter] ?? all);
}

/** `~`, `~/x` and `~user/x`; other paths as they are, without double slashes. */
export async function expandHome(path: string, home: string): Promise<string> {
	const [, user, rest = ''] = /^~([^/]*)(\/.*)?$/s.exec(path) ?? [];
	if (user === undefined) return normalize(path);
	return normalize((user === '' ? home : await homeOf(user)) + rest);
}

async function homeOf(user: string): Promise<string> {
	const passwd = await readFile('/etc/passwd', 'utf8');
	const entry = passwd.split('\n').find(line => line.startsWith(`${user}:`));
	const home = entry?.split(':')[5];
	if (!home)
		throw new PgBackError('CONFIG', `no user ${user} whose home directory could be meant by ~${user}`, {
			hint: 'write the whole path',
		});
	return home;
}

function osUser(): string {
	try {
		return userInfo().username;
	} catch (error) {
		throw new PgBackError('CONFIG', 'the name of the current user cannot be found out', {
			cause: error,
			hint: 'set sftp_user',
		});
	}
}

/** Without a slash at the end and without empty segments; `` for where the session starts. */
function cleanDirectory(directory: string): string {
	if (directory === '') return '';
	if (directory.includes('\0')) throw new PgBackError('CONFIG', 'sftp_directory holds a NUL');
	const cleaned = normalize(directory).replace(/(?<=.)\/+$/, '');
	return cleaned === '.' ? '' : cleaned;
}
