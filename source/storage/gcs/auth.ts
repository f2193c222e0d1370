/** Google's credentials, found by the SDK as in every Google tool. */
import {Storage as GoogleStorage} from '@google-cloud/storage';
import {messageOf} from '../../core/errors.js';
import type {HttpClients} from '../../lib/http/http.js';
import {untilAborted} from '../../lib/until-aborted.js';
import {type Fault, networkFault, type StorageError, storageError} from '../errors.js';
import {routeGoogleRequests} from './google-requests.js';

type AuthOptions = {
	/** '' if none is configured. */
	readonly keyfile: string;
	/** URL of the API that the tokens are for. */
	readonly base: string;
	/** The location of the bucket, for people. */
	readonly location: string;
	/** Milliseconds for one request of a token. */
	readonly limit: number;
};

/** Returns tokens for `keyfile`, or without one for the application default credentials of this host. */
export function createAuth(http: HttpClients, {keyfile, base, location, limit}: AuthOptions) {
	routeGoogleRequests(http, limit);
	const {authClient} = new GoogleStorage({...(keyfile === '' ? {} : {keyFilename: keyfile}), projectId: '-'});

	return {
		async headers(signal: AbortSignal): Promise<Record<string, string>> {
			try {
				const headers = Object.fromEntries(await untilAborted(authClient.getRequestHeaders(base), signal));
				// What the library makes of a response without a token.
				if (/^Bearer (?:undefined|null)?$/.test(headers['authorization'] ?? 'Bearer ')) throw new NoToken();
				return headers;
			} catch (cause) {
				signal.throwIfAborted();
				throw tokenError(cause, location);
			}
		},
		/** Drops the token, so that the next request fetches a new one. */
		async refresh(): Promise<void> {
			(await authClient.getClient()).credentials = {};
		},
	};
}

class NoToken extends Error {}

const foreignHint = 'check the key file and the network: a proxy or another server may have answered instead';

/** Returns the error for credentials that could not be obtained. */
function tokenError(cause: unknown, location: string): StorageError {
	const where = {operation: 'connect to', location} as const;
	const network = networkFault(cause);
	if (network) return storageError(network.fault, where, network.reason, {cause, hint: network.hint});
	// The messages of these errors are the library's own about a response that it could not read, and may quote it.
	if (cause instanceof NoToken || cause instanceof TypeError || cause instanceof SyntaxError)
		return storageError('server', where, 'the response of the token service contains no token', {
			cause,
			hint: foreignHint,
		});
	if (cause instanceof Error && /^(?:Timeout|Abort)Error$/.test(causeOf(cause).name))
		return storageError('timeout', where, 'the token service does not respond', {cause});
	const status = statusOf(cause);
	const said = /^Error code (?!undefined)\S+: (.+)/.exec(messageOf(cause))?.[1];
	if (status === undefined || said !== undefined || status === 400 || status === 401 || status === 403)
		return storageError(
			'forbidden',
			where,
			status === undefined ? messageOf(cause) : `the token service refused: ${said ?? `HTTP status ${status}`}`,
			{
				cause,
				hint: 'set gcs_keyfile, GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth application-default login',
			},
		);
	const isTransient = status >= 500 || status === 429 || status === 408;
	return storageError(faultOf(status), where, `the token service returned HTTP status ${status}`, {
		cause,
		hint: isTransient ? undefined : foreignHint,
	});
}

function faultOf(status: number): Fault {
	if (status === 429 || status === 503) return 'throttled';
	return status >= 500 || status === 408 ? 'server' : 'invalid';
}

/** Returns the innermost error. */
function causeOf(error: Error): Error {
	return error.cause instanceof Error ? causeOf(error.cause) : error;
}

/** Returns the HTTP status in an error of Google's libraries. */
function statusOf(error: unknown): number | undefined {
	const {status, response} = error as {readonly status?: unknown; readonly response?: {readonly status?: unknown}};
	return [status, response?.status].map(Number).find(one => one >= 100 && one < 600);
}
