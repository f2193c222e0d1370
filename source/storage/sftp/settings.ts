/** The settings of an SFTP store, completed from ssh's configuration as ssh does. */
import {userInfo} from 'node:os';
import {join, normalize} from 'node:path';
import {messageOf, PgBackError} from '../../core/errors.js';
import type {OpenContext} from '../storage.js';
import {expandHome, expandTokens, localUser} from './home-paths.js';
import {type HostIdentity, type HostKeyPolicy, parseFingerprints} from './host-keys.js';
import {type JumpSpec, parseProxyJump} from './proxy-jump.js';
import {type EvaluatedSshConfig, evaluateSshConfig, expandHostName, type SshConfigFile} from './ssh-config.js';

/** Undefined and '' both mean absent. */
export type SftpSettings = {
	/** A name, an address (IPv6 with or without brackets) or a `Host` of ssh's configuration. */
	readonly host: string;
	/** Only set when the user set it: a default would override ssh's configuration. */
	readonly port?: number;
	readonly user?: string;
	/** Also the passphrase of the identity. */
	readonly password?: string;
	/** Empty: the directory in which the session starts. */
	readonly directory?: string;
	/** A private key file; `~` and `~user` are expanded. */
	readonly identity?: string;
	readonly ignoreHostKey?: boolean;
	/** `SHA256:…`, one or more. */
	readonly hostKeyFingerprint?: string;
	/** Replaces ~/.ssh/config and /etc/ssh/ssh_config; `none` for no file. */
	readonly configFile?: string;
};

export type SftpContext = OpenContext & {readonly home?: string};

/** One host to log in to: the SFTP server itself, or a jump host. */
export type ResolvedHop = {
	/** The address to connect to. */
	readonly host: string;
	readonly port: number;
	readonly user: string;
	/** Empty for jump hosts, which never receive the password of the target. */
	readonly password: string;
	/** Decrypts private keys on this host; it is never sent. */
	readonly passphrase: string;
	/** From the settings: the only key to use; it must be usable. */
	readonly identity: string | undefined;
	/** From ssh's configuration, or the default files: used if they exist and can be decrypted. */
	readonly identities: readonly string[];
	readonly agent: string | undefined;
	readonly hostKeys: HostKeyPolicy;
	readonly hostIdentity: HostIdentity;
};

export type ResolvedSftp = ResolvedHop & {
	readonly directory: string;
	/** Jump hosts (`ProxyJump`), in the order of connection. */
	readonly jumps: readonly ResolvedHop[];
};

type Resolver = {
	readonly files: readonly SshConfigFile[];
	readonly home: string;
	readonly passphrase: string;
	readonly context: SftpContext;
	readonly warned: Set<string>;
};

/** Resolves the settings. Throws PgBackError CONFIG for settings or an ssh configuration that cannot be used. */
export async function resolveSettings(settings: SftpSettings, context: SftpContext): Promise<ResolvedSftp> {
	if (!settings.host) throw new PgBackError('CONFIG', 'no sftp host configured', {hint: 'set sftp_host'});
	const home = context.home ?? context.env['HOME'] ?? userInfo().homedir;
	const password = settings.password ?? '';
	const files = await configFiles(settings.configFile, home);
	const resolver: Resolver = {files, home, passphrase: password, context, warned: new Set()};
	const asked = settings.host.replace(/^\[(.*)\]$/, '$1');
	const {hop, jumps} = await resolveHop(resolver, {host: asked, port: settings.port, user: settings.user}, 0);
	return {
		...hop,
		password,
		identity: settings.identity ? await expandHome(settings.identity, home) : undefined,
		hostKeys: hostKeyPolicy(settings, hop.hostKeys),
		directory: cleanDirectory(settings.directory ?? ''),
		jumps,
	};
}

async function configFiles(configFile: string | undefined, home: string): Promise<SshConfigFile[]> {
	const base = join(home, '.ssh');
	if (configFile === 'none') return [];
	if (configFile) return [{path: await expandHome(configFile, home), mustExist: true, base}];
	return [
		{path: join(base, 'config'), base},
		{path: '/etc/ssh/ssh_config', base: '/etc/ssh'},
	];
}

/** Maximum number of jump hosts, to detect a configuration with a loop. */
const mostJumps = 16;

type Hop = {readonly hop: ResolvedHop; readonly jumps: readonly ResolvedHop[]};

async function resolveHop(resolver: Resolver, spec: JumpSpec, depth: number): Promise<Hop> {
	const {home, context} = resolver;
	const config = await readSshConfig(resolver, spec);
	const port = spec.port ?? portOf(config.port, spec.host) ?? 22;
	const user = spec.user || config.user || localUser();
	const host = expandHostName(config.hostName, spec.host);
	const values = {host, asked: spec.host, port, user, home};
	const expand = (path: string) => expandHome(expandTokens(path, values), home);
	const expandAll = (paths: readonly string[]) =>
		Promise.all(paths.filter(path => path !== 'none').map(path => expand(path)));
	const hop: ResolvedHop = {
		host,
		port,
		user,
		password: '',
		passphrase: resolver.passphrase,
		identity: undefined,
		identities: await expandAll(config.identities ?? ['id_rsa', 'id_ecdsa', 'id_ed25519'].map(one => `~/.ssh/${one}`)),
		agent: await agentOf(config.identityAgent, context.env, expand),
		hostKeys: {
			kind: 'strict',
			files: [
				...(await expandAll(config.knownHosts ?? ['~/.ssh/known_hosts', '~/.ssh/known_hosts2'])),
				...(await expandAll(config.globalKnownHosts ?? ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'])),
			],
		},
		hostIdentity: {host, port, ...(config.hostKeyAlias !== undefined && {alias: config.hostKeyAlias})},
	};
	refuseProxyCommand(config, spec.host);
	const specs = parseProxyJump(config.proxyJump, text => expandTokens(text, values));
	return {hop, jumps: await resolveJumps(resolver, specs, depth)};
}

/** The first jump host may have a jump host of its own; the list determines how the others are reached. */
async function resolveJumps(resolver: Resolver, specs: readonly JumpSpec[], depth: number): Promise<ResolvedHop[]> {
	if (depth + specs.length > mostJumps) {
		throw new PgBackError('CONFIG', `ProxyJump of the ssh configuration has more than ${mostJumps} hosts`, {
			hint: 'look for a host that jumps through itself (ProxyJump none ends a chain)',
		});
	}
	const resolved: ResolvedHop[] = [];
	for (const [index, spec] of specs.entries()) {
		const {hop, jumps} = await resolveHop(resolver, spec, depth + specs.length);
		if (index === 0) resolved.push(...jumps);
		resolved.push(hop);
	}
	return resolved;
}

function refuseProxyCommand({proxyCommand}: EvaluatedSshConfig, host: string): void {
	if (proxyCommand === undefined || proxyCommand.toLowerCase() === 'none') return;
	throw new PgBackError('CONFIG', `the ssh configuration reaches ${host} by a ProxyCommand, which is not supported`, {
		hint: 'use ProxyJump, or set sftp_config_file to a configuration without ProxyCommand (none: no file)',
	});
}

async function readSshConfig(resolver: Resolver, {host, user}: JumpSpec): Promise<EvaluatedSshConfig> {
	const {files, home, context, warned} = resolver;
	const expand = (path: string) => expandHome(path, home);
	try {
		const query = {host, ...(user && {user}), localUser: localUser(), expand};
		const config = await evaluateSshConfig(files, query);
		for (const text of config.unevaluated) {
			if (!warned.has(text)) context.log('warn', `sftp: ${text}`);
			warned.add(text);
		}
		return config;
	} catch (error) {
		throw new PgBackError('CONFIG', `could not use the ssh configuration: ${messageOf(error)}`, {
			cause: error,
			hint: 'fix the file, or set sftp_config_file to another one (none: no file)',
		});
	}
}

function portOf(text: string | undefined, host: string): number | undefined {
	if (text === undefined) return undefined;
	const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
	if (port >= 1 && port <= 65_535) return port;
	throw new PgBackError('CONFIG', `could not use the ssh configuration: ${text} is not a port (of ${host})`, {
		hint: 'fix the file, or set sftp_config_file to another one (none: no file)',
	});
}

async function agentOf(
	configured: string | undefined,
	env: OpenContext['env'],
	expand: (path: string) => Promise<string>,
): Promise<string | undefined> {
	if (configured === undefined || configured === 'SSH_AUTH_SOCK') return env['SSH_AUTH_SOCK'] || undefined;
	if (configured === 'none') return undefined;
	const variable = /^\$\{?(\w+)\}?$/.exec(configured)?.[1];
	return variable === undefined ? expand(configured) : env[variable] || undefined;
}

function hostKeyPolicy(settings: SftpSettings, known: HostKeyPolicy): HostKeyPolicy {
	const fingerprints = parseFingerprints(settings.hostKeyFingerprint ?? '');
	if (settings.ignoreHostKey && fingerprints.length > 0) {
		throw new PgBackError('CONFIG', 'sftp_ignore_hostkey and sftp_host_key_fingerprint contradict each other', {
			hint: 'remove sftp_ignore_hostkey: the fingerprint is enough to trust the host',
		});
	}
	if (settings.ignoreHostKey) return {kind: 'ignore'};
	return fingerprints.length > 0 ? {kind: 'fingerprint', fingerprints} : known;
}

/** Removes a trailing slash and empty segments; `` for the directory in which the session starts. */
function cleanDirectory(directory: string): string {
	if (directory === '') return '';
	if (directory.includes('\0')) throw new PgBackError('CONFIG', 'sftp_directory contains a NUL');
	const cleaned = normalize(directory).replace(/(?<=.)\/+$/, '');
	return cleaned === '.' ? '' : cleaned;
}
