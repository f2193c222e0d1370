/** The settings of every HTTP client: proxies, certificate authorities and timeouts in one place. */
import type {Agent} from 'node:http';
import type {Socket} from 'node:net';
import type {Environment} from '../environment.js';
import {RoutedHttpAgent, RoutedHttpsAgent} from './agents.js';
import {type FetchOptions, fetchWith} from './fetch.js';
import {createProxyChoice} from './proxy.js';
import {createTrust} from './trust.js';

export {HttpConfigError} from './config-error.js';

export type HttpClients = {
	readonly httpAgent: Agent;
	readonly httpsAgent: Agent;
	readonly agentFor: (url: URL | string) => Agent;
	/** One request, without redirects; see fetch.ts. */
	readonly fetch: (url: string | URL, options?: FetchOptions) => Promise<Response>;
	/** Returns the proxies used so far, without user and password. */
	readonly proxies: () => readonly string[];
	/** Returns where the trusted certificates come from, in addition to Node.js's own. */
	readonly certificateSources: () => readonly string[];
	/** Makes the whole process trust the same authorities, for libraries that open connections of their own. */
	readonly trustInLibraries: () => void;
	/** Closes the connections. */
	readonly close: () => void;
};

export type HttpOptions = {
	/** Environment of the program: proxies and authorities. */
	readonly env: Environment;
	/** A file of certificate authorities to trust in addition to those of the host. */
	readonly caFile?: string;
	/** Milliseconds for connecting, TLS and tunnel each; 30 seconds by default. */
	readonly connectTimeout?: number;
	/** Called with each connection when it is made. */
	readonly onSocket?: ((socket: Socket) => void) | undefined;
};

/**
 * Creates the HTTP clients. Throws HttpConfigError for a configured proxy or certificate file that cannot be used. The
 * caller closes them.
 */
export function createHttp({env, caFile, connectTimeout = 30_000, onSocket}: HttpOptions): HttpClients {
	const choose = createProxyChoice(env);
	const used = new Set<string>();
	const trust = createTrust(env, caFile);
	const routing = {
		trust: trust.context,
		timeout: connectTimeout,
		onSocket,
		proxyFor(...target: Parameters<typeof choose>) {
			const proxy = choose(...target);
			if (proxy !== undefined) used.add(proxy.shown);
			return proxy;
		},
	};
	const httpAgent = new RoutedHttpAgent(routing);
	const httpsAgent = new RoutedHttpsAgent(routing);
	const agentFor = (url: URL | string) => (new URL(url).protocol === 'http:' ? httpAgent : httpsAgent);
	return {
		httpAgent,
		httpsAgent,
		agentFor,
		fetch: (url, options) => fetchWith(agentFor, url, options),
		proxies: () => [...used],
		certificateSources: trust.sources,
		trustInLibraries: trust.setDefault,
		close() {
			httpAgent.destroy();
			httpsAgent.destroy();
		},
	};
}
