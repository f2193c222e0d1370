import {gaxios} from 'google-auth-library';
import type {FetchOptions} from '../../lib/http/fetch.js';
import type {HttpClients} from '../../lib/http/http.js';
import {silenceLibraries} from '../silence-libraries.js';

type Options = Readonly<Record<string, unknown>>;
type Send = (this: {readonly defaults: Options}, options?: Options) => Promise<unknown>;

let original: Send | undefined;

/**
 * Sends the requests of Google's libraries (tokens, metadata) through our agents, each with a time limit in
 * milliseconds. Those libraries create clients in many places, have no limit of their own, and their own proxy support
 * does not survive bundling.
 */
export function routeGoogleRequests(http: HttpClients, limit: number): void {
	silenceLibraries();
	const prototype = gaxios.Gaxios.prototype as unknown as {request: Send};
	const request = (original ??= prototype.request);
	prototype.request = function (options = {}) {
		// An agent with a client certificate is kept.
		const agent = options['agent'] ?? this.defaults['agent'];
		const fetchImplementation = (url: string | URL, init?: FetchOptions) => {
			const end = AbortSignal.timeout(limit);
			const signal = init?.signal ? AbortSignal.any([init.signal, end]) : end;
			return http.fetch(url, {...init, agent, signal});
		};
		const url = options['url'] ?? options['baseURL'] ?? this.defaults['baseURL'];
		// Our own retries keep to the budget and log the reason.
		const retryConfig = {...(options['retryConfig'] as Options | undefined), retry: 0};
		return request.call(this, {
			...options,
			agent: agent ?? http.agentFor(String(url)),
			fetchImplementation,
			retryConfig,
		});
	};
}
