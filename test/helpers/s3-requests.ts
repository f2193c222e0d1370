/** Requests and responses of the test server: parsing, faults, bodies. */
import {randomUUID} from 'node:crypto';
import type {IncomingMessage, ServerResponse} from 'node:http';
import type {Damage} from './s3-lies.js';

export type S3Fault = {
	/** The action (`PutObject`, `UploadPart`, …) and key; every request when absent. */
	readonly action?: string;
	readonly key?: string;
	readonly part?: number;
	/** The number of affected requests; 1 by default. */
	times?: number;
	/** Requests of the kind that are not affected first. */
	skip?: number;
} & (
	| {
			readonly do: 'answer';
			readonly status: number;
			readonly code: string;
			readonly message?: string;
			readonly headers?: Record<string, string>;
	  }
	/** Resets the connection when this many bytes of the request's body have arrived. */
	| {readonly do: 'reset'; readonly after: number}
	/** Reads everything and never responds. */
	| {readonly do: 'silence'}
	/** Stops reading after the head. */
	| {readonly do: 'stall'}
	/** Closes the connection after this many bytes of the response's body. */
	| {readonly do: 'cut'; readonly after: number}
	/** Does the work, then resets instead of responding. */
	| {readonly do: 'lose'}
	| {readonly do: 'wrongEtag'}
	| {readonly do: 'wrongChecksum'}
	| {readonly do: 'errorIn200'}
	/** Stores other bytes than it received: reports success, or returns the checksums of what it stored. */
	| {readonly do: 'damage'; readonly how: Damage; readonly truthful?: boolean; readonly lose?: boolean}
	/** Reports success and stores, or removes, nothing. */
	| {readonly do: 'discard'}
	/** Puts the parts together in another order. */
	| {readonly do: 'reorder'; readonly lose?: boolean}
	/** Responds with anything, without doing anything. */
	| {
			readonly do: 'raw';
			readonly status: number;
			readonly headers?: Record<string, string>;
			readonly body?: string;
	  }
);

export type Call = {
	readonly action: string;
	readonly key: string;
	readonly query: URLSearchParams;
	readonly request: IncomingMessage;
	readonly fault?: S3Fault;
};
export type Answer = {
	readonly status?: number;
	readonly headers?: Record<string, string>;
	readonly body?: string | Buffer;
};

export function parse(request: IncomingMessage, faults: S3Fault[]): Call {
	const [path = '', search = ''] = (request.url ?? '').split('?');
	const key = decodeURIComponent(path.replace(/^\/bucket\/?/, ''));
	const query = new URLSearchParams(search);
	const {method = ''} = request;
	const part = query.has('partNumber') ? Number(query.get('partNumber')) : undefined;
	const action = actionOf(method, key, query);
	const matching = faults.filter(
		one =>
			(!one.action || one.action === action) &&
			(one.key === undefined || one.key === key) &&
			(one.part === undefined || one.part === part),
	);
	let fault: S3Fault | undefined;
	for (const one of matching) {
		if ((one.skip ?? 0) > 0) one.skip!--;
		else if ((one.times ??= 1) > 0 && !fault) {
			one.times--;
			fault = one;
		}
	}
	return {action, key, query, request, fault};
}

function actionOf(method: string, key: string, query: URLSearchParams): string {
	if (key === '') {
		if (method === 'POST' && query.has('delete')) return 'DeleteObjects';
		return query.has('uploads') ? 'ListMultipartUploads' : method === 'GET' ? 'ListObjectsV2' : `Bucket:${method}`;
	}
	const upload = query.has('uploadId');
	const names: Record<string, string> = {
		GET: upload ? 'ListParts' : 'GetObject',
		HEAD: 'HeadObject',
		PUT: upload ? 'UploadPart' : 'PutObject',
		POST: upload ? 'CompleteMultipartUpload' : 'CreateMultipartUpload',
		DELETE: upload ? 'AbortMultipartUpload' : 'DeleteObject',
	};
	return names[method] ?? method;
}

/** Undefined after a reset. A forgetful server keeps only the length. */
export async function readBody(
	request: IncomingMessage,
	resetAfter: number,
	forget: boolean,
): Promise<Buffer | undefined> {
	const chunks: Buffer[] = [];
	let size = 0;
	const keep = !forget || request.method === 'POST';
	if (resetAfter <= 0) request.socket.resetAndDestroy();
	for await (const chunk of request as AsyncIterable<Buffer>) {
		size += chunk.length;
		if (size >= resetAfter) {
			request.socket.resetAndDestroy();
			return undefined;
		}
		if (keep) chunks.push(chunk);
	}
	return keep ? Buffer.concat(chunks) : ({length: size} as Buffer);
}

export function send(
	request: IncomingMessage,
	response: ServerResponse,
	answer: Answer,
	date: Date,
	cut?: number,
): void {
	const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : (answer.body ?? Buffer.alloc(0));
	response.sendDate = false;
	const {'content-length': length = String(body.length), ...headers} = answer.headers ?? {};
	response.writeHead(answer.status ?? 200, {
		date: date.toUTCString(),
		'x-amz-request-id': randomUUID(),
		// Empty: the response has no length.
		...(length === '' ? {} : {'content-length': length}),
		...headers,
	});
	if (cut === undefined) response.end(request.method === 'HEAD' ? undefined : body);
	else response.write(body.subarray(0, cut), () => response.destroy());
}
