/**
 * A small Google Cloud Storage: the JSON API's resumable uploads, checksums, generations, pages, and faults on demand.
 */
import {createHash} from 'node:crypto';
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
	/**
	 * `status`: this response instead of the right one; `reset`: the connection, after the request; `silence`: no
	 * response.
	 */
	readonly do:
		| 'reset'
		| 'silence'
		| 'cut'
		| 'flip'
		| {readonly status: number; readonly headers?: Record<string, string>; readonly body?: string};
	/** The number of affected requests; 1 by default. */
	times?: number;
	/** The number of requests that are not affected first. */
	skip?: number;
};

export type GcsQuirks = {
	/** What happens to the bytes of an object when it is stored; all checksums are truthful. */
	damage?: 'flip' | 'cut';
	/** An upload is confirmed, with the right checksums, and its object is not kept. */
	discards?: boolean;
	/** The number of objects affected by `damage`, `discards` and `losesLastAnswer`; all by default. */
	objects?: number;
	/** Checksums that are omitted from all responses. */
	without?: readonly ('crc32c' | 'md5Hash')[];
	/** How the right checksum is written; in base64 by default. */
	notation?: (crc32c: string) => unknown;
	/** Operations that are rejected with 403, and why. */
	denied?: readonly ('read' | 'remove' | 'update')[];
	/** The text that rejects a removal because of a retention policy or hold, with its reason. */
	locked?: {readonly reason: string; readonly message: string};
	/** Sessions are deleted as soon as their object is complete, and the response to the last chunk is 503. */
	losesLastAnswer?: boolean;
	/** Where the addresses of sessions are. */
	sessionOrigin?: string;
	/** Pages of a listing that never ends. */
	endless?: 'same token' | 'same keys' | 'empty pages';
};

export type GcsServer = {
	readonly url: string;
	readonly objects: ReadonlyMap<string, Stored>;
	readonly remove: (name: string) => void;
	readonly sessions: ReadonlyMap<string, Session>;
	readonly faults: GcsFault[];
	/** `PUT /upload/…` of every request so far. */
	readonly requests: string[];
	/** What the service does wrong, or does not allow; may be changed at any time. */
	readonly quirks: GcsQuirks;
	/** When set, a request without `Authorization: Bearer TOKEN` is rejected. */
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
		remove: name => void objects.delete(name),
		sessions,
		faults: [],
		requests: [],
		quirks: {},
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
		answer(response, 200, '', {
			location: `${state.quirks.sessionOrigin ?? state.url}/upload/storage/v1/b/${bucket}/o?upload_id=${id}`,
		});
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
		const {quirks} = state;
		const isHit = quirks.objects === undefined || quirks.objects > 0;
		if (quirks.objects !== undefined && isHit) quirks.objects--;
		const bytes = damaged(session.bytes, isHit ? quirks.damage : undefined);
		const stored = {
			bytes,
			crc32c: checksum(bytes),
			generation: generation++,
			updated: new Date().toISOString(),
			metadata: session.metadata,
		};
		if (!(isHit && quirks.discards)) objects.set(session.name, stored);
		if (isHit && quirks.losesLastAnswer) return refuse(response, 503, 'try again', 'backendError');
		answer(response, 200, JSON.stringify(describe(session.name, stored, state.quirks)));
	}

	function listing(url: URL, response: ServerResponse): void {
		const prefix = url.searchParams.get('prefix') ?? '';
		const from = url.searchParams.get('pageToken') ?? url.searchParams.get('startOffset') ?? '';
		const most = Math.min(1000, Number(url.searchParams.get('maxResults') ?? 1000));
		const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
		if (state.quirks.endless !== undefined) return endless(state.quirks.endless, url, response);
		const names = [...objects.keys()].filter(name => name.startsWith(prefix) && order(name, from) >= 0).toSorted(order);
		const items = names.slice(0, most).map(name => describe(name, objects.get(name)!, state.quirks));
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
		if (request.method === 'GET' && state.quirks.denied?.includes('read'))
			return refuse(response, 403, 'no permission to get', 'forbidden');
		const stored = objects.get(name);
		if (!stored) return refuse(response, 404, `No such object: ${bucket}/${name}`, 'notFound');
		const wanted = url.searchParams.get('ifGenerationMatch') ?? url.searchParams.get('generation');
		if (wanted !== null && Number(wanted) !== stored.generation)
			return refuse(response, 412, 'pre-condition failed', 'conditionNotMet');
		const {denied = [], locked} = state.quirks;
		if (request.method === 'DELETE') {
			if (denied.includes('remove')) return refuse(response, 403, 'no permission to delete', 'forbidden');
			if (locked) return refuse(response, 403, locked.message, locked.reason);
			objects.delete(name);
			return answer(response, 204, '');
		}
		if (request.method === 'PATCH' && denied.includes('update'))
			return refuse(response, 403, 'no permission to update', 'forbidden');
		if (request.method === 'PATCH')
			stored.metadata = {
				...stored.metadata,
				...(JSON.parse(body.toString()) as {metadata: Record<string, string>}).metadata,
			};
		if (url.searchParams.get('alt') !== 'media')
			return answer(response, 200, JSON.stringify(describe(name, stored, state.quirks)));
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

function describe(
	name: string,
	{bytes, crc32c, generation, updated, metadata}: Stored,
	{without = [], notation = String}: GcsQuirks,
) {
	const md5Hash = createHash('md5').update(bytes).digest('base64');
	return {
		kind: 'storage#object',
		name,
		size: String(bytes.length),
		...(!without.includes('crc32c') && {crc32c: notation(crc32c)}),
		...(!without.includes('md5Hash') && {md5Hash}),
		generation: String(generation),
		updated,
		metadata,
	};
}

function damaged(bytes: Buffer, how: GcsQuirks['damage']): Buffer {
	if (how === undefined) return bytes;
	if (how === 'cut') return bytes.subarray(0, bytes.length - 1);
	const copy = Buffer.from(bytes);
	copy[0] = (copy[0] ?? 0) ^ 1;
	return copy;
}

function endless(how: NonNullable<GcsQuirks['endless']>, url: URL, response: ServerResponse): void {
	const page = Number(url.searchParams.get('pageToken') ?? 0) + 1;
	const items = how === 'empty pages' ? [] : [{name: 'same', size: '1'}];
	const nextPageToken = how === 'same token' ? '1' : String(page);
	answer(response, 200, JSON.stringify({kind: 'storage#objects', items, nextPageToken}));
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
