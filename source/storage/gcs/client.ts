/** One bucket over the JSON API; the SDK finds the credentials, as it does for every Google tool. */
import {readFile} from 'node:fs/promises';
import {Storage as GoogleStorage} from '@google-cloud/storage';
import {messageOf, PgBackError} from '../../core/errors.js';
import {startDog} from '../dog.js';
import {storageError} from '../errors.js';
import {requestRetrier} from '../retrying.js';
import type {OpenContext} from '../storage.js';
import {describeGcsError, HttpError, type Where} from './errors.js';

/** Undefined and '' both mean: not given. */
export type GcsSettings = {
	readonly bucket: string;
	/** A JSON key of a service account or of a federation; default: the application default credentials. */
	readonly keyfile?: string;
	/** URL of the API instead of https://storage.googleapis.com; default: STORAGE_EMULATOR_HOST, which needs no credentials. */
	readonly endpoint?: string;
	/** Bytes of one request of an upload, a multiple of 256 KiB; 16 MiB by default. */
	readonly chunkSize?: number;
};

export type Call = {
	readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	/** Below the API's base, or a whole URL that the service gave. */
	readonly url: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: Uint8Array | string;
	/** Statuses beside 2xx that are an answer. */
	readonly also?: readonly number[];
};

/** A response whose body is still to be read, all of it. */
export type Answer = {
	readonly status: number;
	readonly headers: Headers;
	readonly json: <T>() => Promise<T>;
	readonly response: Response;
};

export type Bucket = {
	readonly location: string;
	readonly settings: GcsSettings;
	/** `/storage/v1/b/NAME` and the like. */
	readonly path: string;
	/** One request; throws HttpError for a status that is no answer. */
	readonly send: (call: Call, signal: AbortSignal) => Promise<Answer>;
	/** Ends `run` when nothing moves for the idle time, and names the place in its errors. */
	readonly watched: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		run: (signal: AbortSignal) => Promise<T>,
	) => Promise<T>;
	/** One attempt; ended when nothing moves for the idle time. `read` gets the answer and must consume it. */
	readonly once: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		call: Call,
		read: (answer: Answer) => Promise<T>,
	) => Promise<T>;
	/** The same until it succeeds, fails for good, or the budget is spent. */
	readonly request: Bucket['once'];
};

export async function openBucket(settings: GcsSettings, context: OpenContext): Promise<Bucket> {
	const {bucket} = settings;
	if (!bucket) throw new PgBackError('CONFIG', 'no bucket is given', {hint: 'set gcs_bucket'});
	const {chunkSize = 256 * 1024} = settings;
	if (chunkSize <= 0 || chunkSize % (256 * 1024) !== 0)
		throw new PgBackError('CONFIG', 'the chunk size is not a multiple of 256 KiB');
	const emulator = settings.endpoint ? '' : (context.env['STORAGE_EMULATOR_HOST'] ?? '');
	const base = baseUrl(settings.endpoint || emulator || 'https://storage.googleapis.com');
	const keyfile = settings.keyfile || context.env['GOOGLE_APPLICATION_CREDENTIALS'] || '';
	if (keyfile !== '') await checkKeyfile(keyfile);
	// An emulator, or another API without TLS: no token goes there.
	const anonymous = emulator !== '' || (base.startsWith('http:') && keyfile === '');
	const google = anonymous ? undefined : createAuth(keyfile);
	const location = `gcs://${bucket}/`;
	const send = async (call: Call, signal: AbortSignal): Promise<Answer> => {
		const url = /^https?:/.test(call.url) ? call.url : base + call.url;
		const ask = async () =>
			fetch(url, {
				method: call.method ?? 'GET',
				headers: {...(await google?.headers()), ...call.headers},
				body: call.body as Uint8Array<ArrayBuffer> | string | undefined,
				redirect: 'manual',
				signal,
			});
		let response = await ask();
		if (response.status === 401 && google) {
			await response.arrayBuffer();
			context.log('info', 'the credentials had expired and are fetched anew');
			await google.refresh();
			response = await ask();
		}
		if (!response.ok && !call.also?.includes(response.status))
			throw new HttpError(response.status, response.headers, await response.text());
		return {
			status: response.status,
			headers: response.headers,
			response,
			json: async <T>() => (await response.json()) as T,
		};
	};
	const watched: Bucket['watched'] = async (place, signal, run) => {
		signal.throwIfAborted();
		const dog = startDog(context.idleTimeout);
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

	function createAuth(file: string) {
		const {authClient} = new GoogleStorage({...(file === '' ? {} : {keyFilename: file}), projectId: '-'});
		return {
			async headers(): Promise<Record<string, string>> {
				try {
					return Object.fromEntries(await authClient.getRequestHeaders(base));
				} catch (cause) {
					throw storageError('forbidden', {operation: 'connect to', location}, messageOf(cause), {
						cause,
						hint: 'set gcs_keyfile, GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth application-default login',
					});
				}
			},
			/** A client without a token fetches one with its next request. */
			async refresh(): Promise<void> {
				(await authClient.getClient()).credentials = {};
			},
		};
	}
}

async function checkKeyfile(file: string): Promise<void> {
	try {
		const key = JSON.parse(await readFile(file, 'utf8')) as {type?: unknown};
		if (typeof key.type !== 'string') throw new Error('it has no "type"');
	} catch (cause) {
		// A parser's message would quote the key.
		const reason = cause instanceof SyntaxError ? 'it is not JSON' : messageOf(cause);
		throw new PgBackError('CONFIG', `could not use the key file ${file}: ${reason}`, {
			hint: 'gcs_keyfile names the JSON key of a service account',
		});
	}
}

function baseUrl(text: string): string {
	const url = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
	// The Go client's form holds the path of the API, which we add ourselves.
	return url.replace(/\/+$/, '').replace(/\/storage\/v1$/, '');
}
