import {PgBackError} from '../core/errors.js';
import {createHttp, type HttpClients, HttpConfigError, type HttpOptions} from '../lib/http/http.js';
import type {OpenContext} from './storage.js';

/**
 * Returns the HTTP clients of a store: those of the context, or new ones configured by its environment. Throws CONFIG.
 */
export async function httpOf({http, env, idleTimeout, onSocket}: OpenContext): Promise<HttpClients> {
	return http ? http(onSocket) : openHttp({env, connectTimeout: connectTimeout(idleTimeout), onSocket});
}

/** Creates the HTTP clients of a remote location. Throws CONFIG for an invalid proxy or certificate file. */
export function openHttp(options: HttpOptions): HttpClients {
	try {
		return createHttp(options);
	} catch (error) {
		if (!(error instanceof HttpConfigError)) throw error;
		throw new PgBackError('CONFIG', error.message, {cause: error, hint: error.hint});
	}
}

/**
 * Returns the connect timeout in milliseconds for a given idle timeout: it ends first, because its error names what does
 * not answer, the service or the proxy.
 */
export function connectTimeout(idleTimeout = 60_000): number {
	return Math.min(30_000, Math.ceil(idleTimeout * 0.75));
}
