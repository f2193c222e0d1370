/** A small Google Cloud Storage: the JSON API's resumable uploads, checksums, generations, pages, and faults on demand. */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {CRC32C} from '@google-cloud/storage';

type Stored = {
	readonly bytes: Buffer;
	readonly crc32c: string;
	readonly generation: number;
	readonly updated: string;
	metadata: Record<string, string>;
};
type Session = {
	readonly name: string;
	readonly ifAbsent: boolean;
	readonly metadata: Record<string, string>;
	bytes: Buffer;
};

export type GcsFault = {
	/** `PUT /upload/…`. */
	readonly matches: (line: string, headers: IncomingMessage['headers']) => boolean;
	/** `status`: this answer instead of the right one; `reset`: the connection, after the request; `silence`: no answer at all. */
	readonly do:
		| 'reset'
		| 'silence'
		| 'cut'
		| 'flip'
		| {readonly status: number; readonly headers?: Record<string, string>; readonly body?: string};
	/** Requests that it hits; 1 by default. */
	times?: number;
	/** Requests that pass before it hits. */
	skip?: number;
};

export type GcsServer = {
	readonly url: string;
	readonly objects: ReadonlyMap<string, Stored>;
	readonly sessions: ReadonlyMap<string, Session>;
	readonly faults: GcsFault[];
	/** `PUT /upload/…` of every request so far. */
	readonly requests: string[];
	/** When set, a request without `Authorization: Bearer TOKEN` is refused. */
	token: string | undefined;
	readonly stop: () => Promise<void>;
};

export async function startGcsServer(bucket = 'suite'): Promise<GcsServer> {
	const objects = new Map<string, Stored>();
	const sessions = new Map<string, Session>();
	let generation = 1;
	const server = createServer((request, response) => {
		handle(request, response).catch((error: unknown) => response.destroy(error as Error));
	});
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	const state: GcsServer = {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		objects,
		sessions,
		faults: [],
		requests: [],
		token: undefined,
		stop: () =>
			new Promise(resolve => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
	return state;

	async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const line = `${request.method ?? ''} ${request.url ?? ''}`;
		state.requests.push(line);
		const body = await readBody(request);
		const fault = state.faults.find(one => one.times !== 0 && one.matches(line, request.headers) && !skips(one));
		if (fault) {
			fault.times = (fault.times ?? 1) - 1;
			if (fault.do === 'silence') return;
			if (fault.do === 'reset') return void request.socket.resetAndDestroy();
			if (typeof fault.do === 'object') return answer(response, fault.do.status, fault.do.body ?? '', fault.do.headers);
		}
		if (state.token !== undefined && request.headers.authorization !== `Bearer ${state.token}`)
			return refuse(response, 401, 'Invalid Credentials', 'authError');
		const url = new URL(request.url ?? '/', 'http://x');
		const api = `/storage/v1/b/${bucket}/o`;
		const object = url.pathname.startsWith(`${api}/`)
			? decodeURIComponent(url.pathname.slice(api.length + 1))
			: undefined;
		if (url.pathname === `/upload${api}`)
			return request.method === 'POST' ? begin(url, body, response) : resume(url, request, body, response);
		if (url.pathname === api) return listing(url, response);
		if (object !== undefined) return onObject(request, url, object, body, response, fault);
		return refuse(response, 404, 'The specified bucket does not exist.', 'notFound');
	}

	function begin(url: URL, body: Buffer, response: ServerResponse): void {
		const name = url.searchParams.get('name') ?? '';
		const ifAbsent = url.searchParams.get('ifGenerationMatch') === '0';
		if (ifAbsent && objects.has(name))
			return refuse(response, 412, 'At least one of the pre-conditions you specified did not hold.', 'conditionNotMet');
		const {metadata = {}} = JSON.parse(body.toString()) as {metadata?: Record<string, string>};
		const id = `session${sessions.size}x${state.requests.length}`;
		sessions.set(id, {name, ifAbsent, metadata, bytes: Buffer.alloc(0)});
		answer(response, 200, '', {location: `${state.url}/upload/storage/v1/b/${bucket}/o?upload_id=${id}`});
	}

	function resume(url: URL, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
		const id = url.searchParams.get('upload_id') ?? '';
		const session = sessions.get(id);
		if (!session) return refuse(response, 404, 'no such upload', 'notFound');
		if (request.method === 'DELETE') {
			sessions.delete(id);
			return answer(response, 499, '');
		}
		const [, first, , total] =
			/^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(request.headers['content-range'] ?? '') ?? [];
		if (first !== undefined) {
			if (Number(first) > session.bytes.length) return refuse(response, 400, 'there is a gap', 'invalid');
			const whole = Buffer.concat([session.bytes.subarray(0, Number(first)), body]);
			// A chunk that is not the last must be a multiple of 256 KiB; the rest of it is not kept.
			session.bytes = total === '*' ? whole.subarray(0, whole.length - (whole.length % (256 * 1024))) : whole;
		}
		if (total === undefined || total === '*' || Number(total) !== session.bytes.length) {
			return answer(
				response,
				308,
				'',
				session.bytes.length === 0 ? {} : {range: `bytes=0-${session.bytes.length - 1}`},
			);
		}
		const crc32c = checksum(session.bytes);
		const promised = /crc32c=([^,]+)/.exec(String(request.headers['x-goog-hash'] ?? ''))?.[1];
		if (promised !== undefined && promised !== crc32c)
			return refuse(response, 400, `Provided CRC32C "${promised}" doesn't match`, 'invalid');
		if (session.ifAbsent && objects.has(session.name))
			return refuse(response, 412, 'pre-condition failed', 'conditionNotMet');
		sessions.delete(id);
		const stored = {
			bytes: session.bytes,
			crc32c,
			generation: generation++,
			updated: new Date().toISOString(),
			metadata: session.metadata,
		};
		objects.set(session.name, stored);
		answer(response, 200, JSON.stringify(describe(session.name, stored)));
	}

	function listing(url: URL, response: ServerResponse): void {
		const prefix = url.searchParams.get('prefix') ?? '';
		const from = url.searchParams.get('pageToken') ?? url.searchParams.get('startOffset') ?? '';
		const most = Math.min(1000, Number(url.searchParams.get('maxResults') ?? 1000));
		const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
		const names = [...objects.keys()].filter(name => name.startsWith(prefix) && order(name, from) >= 0).toSorted(order);
		const items = names.slice(0, most).map(name => describe(name, objects.get(name)!));
		answer(response, 200, JSON.stringify({items, nextPageToken: names[most]}));
	}

	function onObject(
		request: IncomingMessage,
		url: URL,
		name: string,
		body: Buffer,
		response: ServerResponse,
		fault: GcsFault | undefined,
	): void {
		const stored = objects.get(name);
		if (!stored) return refuse(response, 404, `No such object: ${bucket}/${name}`, 'notFound');
		const wanted = url.searchParams.get('ifGenerationMatch') ?? url.searchParams.get('generation');
		if (wanted !== null && Number(wanted) !== stored.generation)
			return refuse(response, 412, 'pre-condition failed', 'conditionNotMet');
		if (request.method === 'DELETE') {
			objects.delete(name);
			return answer(response, 204, '');
		}
		if (request.method === 'PATCH')
			stored.metadata = {
				...stored.metadata,
				...(JSON.parse(body.toString()) as {metadata: Record<string, string>}).metadata,
			};
		if (url.searchParams.get('alt') !== 'media') return answer(response, 200, JSON.stringify(describe(name, stored)));
		const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
		const bytes = Buffer.from(stored.bytes.subarray(from));
		if (fault?.do === 'flip') bytes[0] = (bytes[0] ?? 0) ^ 1;
		response.writeHead(from > 0 ? 206 : 200, {'content-length': bytes.length});
		if (fault?.do !== 'cut') return void response.end(bytes);
		response.write(bytes.subarray(0, bytes.length >> 1), () => request.socket.destroy());
	}
}

function skips(fault: GcsFault): boolean {
	if ((fault.skip ?? 0) === 0) return false;
	fault.skip = (fault.skip ?? 0) - 1;
	return true;
}

function describe(name: string, {bytes, crc32c, generation, updated, metadata}: Stored) {
	return {name, size: String(bytes.length), crc32c, generation: String(generation), updated, metadata};
}

function checksum(bytes: Buffer): string {
	const crc = new CRC32C();
	crc.update(bytes);
	return crc.toString();
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

function refuse(response: ServerResponse, status: number, message: string, reason: string): void {
	answer(response, status, JSON.stringify({error: {code: status, message, errors: [{reason, message}]}}));
}

function answer(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
	response.writeHead(status, headers).end(body);
}
