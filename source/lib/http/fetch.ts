import {type Agent, type IncomingMessage, request as httpRequest} from 'node:http';
import {request as httpsRequest} from 'node:https';
import {Readable} from 'node:stream';
import {limitedBody} from './limited-body.js';

export type FetchOptions = {
	readonly method?: string;
	readonly headers?: Headers | Readonly<Record<string, string>>;
	readonly body?: string | Uint8Array | URLSearchParams | null;
	readonly signal?: AbortSignal | null;
	/** Replaces the agent, for example by one with a client certificate. */
	readonly agent?: unknown;
	/** The body is read piece by piece and may have any size; others fail with BodyTooLarge. */
	readonly streamed?: boolean;
};

/** Statuses of responses without a body, whatever their headers say. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Sends one request through one of our agents, like the global fetch, which accepts no agent. Follows no redirect.
 * Rejects with the error of Node's http, or with the reason of `signal`.
 */
export function fetchWith(
	agentFor: (url: URL) => Agent,
	input: string | URL,
	options: FetchOptions = {},
): Promise<Response> {
	const url = new URL(input);
	const {signal, method = 'GET'} = options;
	const headers = Object.fromEntries(new Headers(options.headers));
	const body = options.body instanceof URLSearchParams ? options.body.toString() : (options.body ?? undefined);
	if (options.body instanceof URLSearchParams)
		headers['content-type'] ??= 'application/x-www-form-urlencoded;charset=UTF-8';
	if (body !== undefined) headers['content-length'] ??= String(Buffer.byteLength(body));
	return new Promise((resolve, reject) => {
		signal?.throwIfAborted();
		const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
		const agent = (options.agent as Agent | undefined) ?? agentFor(url);
		const request = send(url, {method, headers, agent, ...(signal && {signal})}, answer => {
			try {
				resolve(responseOf(answer, method, options.streamed));
			} catch (error) {
				answer.destroy();
				reject(error instanceof Error ? error : new Error(String(error)));
			}
		});
		request.on('error', error => reject(signal?.aborted ? (signal.reason as Error) : error));
		request.end(body);
	});
}

function responseOf(answer: IncomingMessage, method: string, streamed = false): Response {
	const status = answer.statusCode ?? 0;
	const headers = new Headers();
	for (let index = 0; index < answer.rawHeaders.length; index += 2)
		headers.append(answer.rawHeaders[index] ?? '', answer.rawHeaders[index + 1] ?? '');
	const isEmpty = method === 'HEAD' || bodiless.has(status);
	if (isEmpty) answer.resume();
	// An error of the stream is thrown to the reader of the body.
	answer.on('error', () => undefined);
	const whole = () => (streamed && status < 300 ? answer : limitedBody(answer));
	const body = isEmpty ? null : (Readable.toWeb(whole()) as ReadableStream<Uint8Array<ArrayBuffer>>);
	return new Response(body, {status, statusText: answer.statusMessage ?? '', headers});
}
