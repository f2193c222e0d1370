/** Chooses the proxy of a connection by the environment variables that curl uses. */
import type {Environment} from '../environment.js';
import {HttpConfigError} from './config-error.js';
import {isExcluded} from './no-proxy.js';

export type Proxy = {
	/** `http://proxy:3128`, without user and password. */
	readonly shown: string;
	readonly secure: boolean;
	/** The host without brackets. */
	readonly host: string;
	readonly port: number;
	/** Value of the Proxy-Authorization header: a secret. */
	readonly authorization?: string;
};

/** Addresses of the metadata services of clouds: reachable only from this host, and never through a proxy. */
const metadataHosts: ReadonlySet<string> = new Set([
	'169.254.169.254',
	'169.254.170.2',
	'169.254.170.23',
	'fd00:ec2::254',
	'fd00:ec2::23',
	'metadata.google.internal',
	'metadata',
]);

/** Variables with the address of such a service, if it is not the usual one. */
const metadataVariables = ['GCE_METADATA_HOST', 'GCE_METADATA_IP', 'AWS_EC2_METADATA_SERVICE_ENDPOINT'];

/** Returns the host of `host`, `host:port` or a URL. */
function hostOf(text: string): string {
	const url = URL.parse(text.includes('://') ? text : `http://${text}`);
	return url?.host.replace(/^\[([^\]]*)\]$/, '$1') ?? '';
}

/**
 * Returns a function that chooses the proxy of a connection. Throws HttpConfigError for a variable without a usable
 * proxy.
 */
export function createProxyChoice(
	env: Environment,
): (protocol: 'http:' | 'https:', host: string, port: number) => Proxy | undefined {
	const all = ['all_proxy', 'ALL_PROXY'];
	const proxies = {
		'http:': parseFirst(env, ['http_proxy', 'HTTP_PROXY', ...all]),
		'https:': parseFirst(env, ['https_proxy', 'HTTPS_PROXY', ...all]),
	};
	const excluded = env['no_proxy'] || env['NO_PROXY'] || '';
	const metadata = new Set([...metadataHosts, ...metadataVariables.map(name => hostOf(env[name] ?? ''))]);
	return (protocol, host, port) => {
		const proxy = proxies[protocol];
		if (proxy === undefined) return undefined;
		const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
		if (metadata.has(bare.replace(/\.$/, '')) || metadata.has(`${bare}:${port}`)) return undefined;
		return isExcluded(excluded, bare, port) ? undefined : proxy;
	};
}

function parseFirst(env: Environment, names: readonly string[]): Proxy | undefined {
	const name = names.find(one => Boolean(env[one]?.trim()));
	return name === undefined ? undefined : parseProxy(env[name]?.trim() ?? '', name);
}

/** The value may contain a password, so no message repeats it. */
function parseProxy(text: string, variable: string): Proxy {
	const hint = `set ${variable} to http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ if the proxy requires a login`;
	let url: URL;
	try {
		url = new URL(text.includes('://') ? text : `http://${text}`);
	} catch {
		throw new HttpConfigError(`${variable} is not a proxy URL`, hint);
	}
	const {protocol, hostname, username, password} = url;
	if (protocol !== 'http:' && protocol !== 'https:')
		throw new HttpConfigError(`${variable} has an unsupported proxy scheme (${protocol.slice(0, -1)})`, hint);
	const secure = protocol === 'https:';
	const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
	const user = `${decode(username)}:${decode(password)}`;
	return {
		shown: `${protocol}//${hostname}:${port}`,
		secure,
		host: hostname.replace(/^\[(.*)\]$/, '$1'),
		port,
		...(user !== ':' && {authorization: `Basic ${Buffer.from(user).toString('base64')}`}),
	};
}

function decode(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text; // a single % that was meant literally
	}
}
