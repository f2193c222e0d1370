/** Access to one bucket through the JSON API; the SDK finds the credentials, as in every Google tool. */
import {createPrivateKey} from 'node:crypto';
import {messageOf, PgBackError} from '../../core/errors.js';
import {readGivenFile} from '../../lib/given-file.js';
import {StorageError} from '../errors.js';
import {httpOf} from '../http.js';
import {requestRetrier} from '../retrying.js';
import type {OpenContext} from '../storage.js';
import {startWatchdog} from '../watchdog.js';
import {createAuth} from './auth.js';
import {describeGcsError, HttpError, type Where} from './errors.js';

/** Undefined and '' both mean absent. */
export type GcsSettings = {
	readonly bucket: string;
	/** A JSON key of a service account or of a federation; default: the application default credentials. */
	readonly keyfile?: string;
	/** URL of the API instead of https://storage.googleapis.com; default: STORAGE_EMULATOR_HOST, which needs no credentials. */
	readonly endpoint?: string;
	/** Bytes of one upload request, a multiple of 256 KiB; 16 MiB by default. */
	readonly chunkSize?: number;
};

export type Call = {
	readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	/** Relative to the API's base, or a whole URL of the same origin from the service. */
	readonly url: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: Uint8Array | string;
	/** The body is the content of an object. */
	readonly streamed?: boolean;
	/** Accepted statuses in addition to 2xx. */
	readonly also?: readonly number[];
};

/** A response with a body that must be read completely. */
export type Answer = {
	readonly status: number;
	readonly headers: Headers;
	readonly response: Response;
};

export type Bucket = {
	readonly location: string;
	readonly settings: GcsSettings;
	/** `/storage/v1/b/NAME` and the like. */
	readonly path: string;
	/** Returns true for a URL at the configured endpoint: no other receives a token or data. */
	readonly isOwnUrl: (url: string) => boolean;
	readonly log: OpenContext['log'];
	readonly clock: OpenContext['clock'];
	/** Sends one request; throws HttpError for an unexpected status. */
	readonly send: (call: Call, signal: AbortSignal) => Promise<Answer>;
	/** Aborts `run` when there is no progress for the idle time, and adds the location to its errors. */
	readonly watched: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		run: (signal: AbortSignal) => Promise<T>,
	) => Promise<T>;
	/**
	 * Sends a request in one attempt, aborted when there is no progress for the idle time. `read` receives the response
	 * and must consume it.
	 */
	readonly once: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		call: Call,
		read: (answer: Answer) => Promise<T>,
	) => Promise<T>;
	/** Repeats the request until it succeeds, fails permanently, or the budget is used up. */
	readonly request: Bucket['once'];
};

export async function openBucket(settings: GcsSettings, context: OpenContext): Promise<Bucket> {
	const {bucket} = settings;
	if (!bucket) throw new PgBackError('CONFIG', 'no bucket configured', {hint: 'set gcs_bucket'});
	const {chunkSize = 256 * 1024} = settings;
	if (chunkSize <= 0 || chunkSize % (256 * 1024) !== 0)
		throw new PgBackError('CONFIG', 'the chunk size is not a multiple of 256 KiB');
	const emulator = settings.endpoint ? '' : (context.env['STORAGE_EMULATOR_HOST'] ?? '');
	const base = baseUrl(settings.endpoint || emulator || 'https://storage.googleapis.com');
	const keyfile = settings.keyfile || context.env['GOOGLE_APPLICATION_CREDENTIALS'] || '';
	if (keyfile !== '') await checkKeyfile(keyfile, context.signal);
	// An emulator, or another API without TLS: no token is sent to it.
	const anonymous = emulator !== '' || (base.startsWith('http:') && keyfile === '');
	const http = await httpOf(context);
	const location = `gcs://${bucket}/`;
	const google = anonymous
		? undefined
		: createAuth(http, {keyfile, base, location, limit: context.idleTimeout ?? 60_000});
	const {origin} = new URL(base);
	const isOwnUrl = (url: string): boolean => URL.canParse(url) && new URL(url).origin === origin;
	const send = async (call: Call, signal: AbortSignal): Promise<Answer> => {
		const url = call.url.startsWith('/') ? base + call.url : call.url;
		if (!isOwnUrl(url)) throw new StorageError('invalid', 'the address does not belong to the configured endpoint');
		const ask = async () =>
			http.fetch(url, {
				method: call.method ?? 'GET',
				headers: {...(await google?.headers(signal)), ...call.headers},
				...(call.body !== undefined && {body: call.body}),
				streamed: call.streamed ?? false,
				signal,
			});
		let response = await ask();
		if (response.status === 401 && google) {
			await response.arrayBuffer();
			context.log('info', 'the credentials expired and are being renewed');
			await google.refresh();
			response = await ask();
		}
		if (!response.ok && !call.also?.includes(response.status))
			throw new HttpError(response.status, response.headers, await response.text(), call.method);
		return {status: response.status, headers: response.headers, response};
	};
	const watched: Bucket['watched'] = async (place, signal, run) => {
		signal.throwIfAborted();
		const dog = startWatchdog(context.idleTimeout);
		try {
			return await run(AbortSignal.any([signal, dog.signal]));
		} catch (error) {
			signal.throwIfAborted();
			throw describeGcsError(dog.signal.aborted ? dog.signal.reason : error, {...place, location});
		} finally {
			dog.stop();
		}
	};
	const once: Bucket['once'] = (place, signal, call, read) =>
		watched(place, signal, async any => read(await send(call, any)));
	return {
		location,
		settings,
		path: `/storage/v1/b/${encodeURIComponent(bucket)}`,
		isOwnUrl,
		log: context.log,
		clock: context.clock,
		send,
		watched,
		once,
		async request(place, signal, call, read) {
			const retrier = requestRetrier(context, signal);
			for (;;) {
				try {
					return await once(place, signal, call, read);
				} catch (error) {
					await retrier.failed(error);
				}
			}
		},
	};
}

/** Returns the path of an object below the API's base. */
export function objectUrl({path}: Pick<Bucket, 'path'>, key: string, query = ''): string {
	return `${path}/o/${encodeURIComponent(key)}${query}`;
}

async function checkKeyfile(file: string, signal: AbortSignal): Promise<void> {
	try {
		// The SDK reads it again.
		const text = (await readGivenFile(file, {signal, refusesPipes: true})).toString();
		const key = JSON.parse(text) as {type?: unknown; private_key?: unknown} | null;
		if (typeof key?.type !== 'string') throw new Error('it has no "type"');
		// The SDK's error for a damaged key is OpenSSL's, which looks like one of TLS and would be retried.
		if (key.type === 'service_account' && !isPrivateKey(key.private_key))
			throw new Error('its "private_key" cannot be read');
	} catch (cause) {
		signal.throwIfAborted();
		// A parser's message would quote the key.
		const reason = cause instanceof SyntaxError ? 'it is not JSON' : messageOf(cause);
		throw new PgBackError('CONFIG', `could not use the key file ${file}: ${reason}`, {
			hint: 'gcs_keyfile must be the JSON key of a service account',
		});
	}
}

function isPrivateKey(text: unknown): boolean {
	try {
		return typeof text === 'string' && createPrivateKey(text).type === 'private';
	} catch {
		return false; // its reason is OpenSSL's, and says no more
	}
}

function baseUrl(text: string): string {
	const url = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
	// The Go client's form includes the path of the API, which is added here.
	const base = url.replace(/\/+$/, '').replace(/\/storage\/v1$/, '');
	if (!URL.canParse(base) || !/^https?:/i.test(base)) {
		throw new PgBackError('CONFIG', `${text} is not a URL of Google Cloud Storage`, {
			hint: 'write gcs_endpoint (or STORAGE_EMULATOR_HOST) as https://HOST',
		});
	}
	return base;
}
