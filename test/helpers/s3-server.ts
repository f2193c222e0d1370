/**
 * A small S3 of our own that checks what others only accept: signatures, checksums, conditions, limits. It counts, it can forget what
 * it was given, and it does what a script of faults says. One bucket, `bucket`, path style.
 */
import {createHash, randomUUID} from 'node:crypto';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import {createServer as createTlsServer} from 'node:https';
import type {AddressInfo} from 'node:net';
import {parse, readBody, send, type Answer, type Call, type S3Fault} from './s3-requests.js';
import {checkBody, checkSignature, crcOf, Refusal, type Credential} from './s3-signature.js';
import {element, encodeKey, list, parseCompleted, parseDeleted, xml} from './s3-xml.js';

export type S3ServerOptions = {
	readonly credentials?: readonly Credential[];
	/** What a credential may do; everything by default. */
	readonly may?: (keyId: string, action: string, key: string) => boolean;
	/** Takes bodies and keeps nothing of them. */
	readonly forget?: boolean;
	readonly maxParts?: number;
	readonly minPart?: number;
	readonly pageSize?: number;
	/** Bytes in all, above which uploads are refused. */
	readonly quota?: number;
	/** What this service pretends not to know. */
	readonly lacks?: readonly ('checksums' | 'conditions' | 'batches' | 'uploadList')[];
	/** Milliseconds by which the server's clock differs. */
	readonly clockOffset?: number;
	/** Pretends to hold so many more objects. */
	readonly synthetic?: number;
	readonly tls?: {readonly key: string; readonly cert: string};
};

type Held = {
	bytes: Buffer;
	size: number;
	etag: string;
	crc32?: string;
	modified: number;
	headers: Record<string, string>;
	version: string;
};
type Upload = {
	key: string;
	id: string;
	initiated: number;
	headers: Record<string, string>;
	parts: Map<number, Held>;
	checksums: boolean;
};

export type S3Server = {
	readonly url: string;
	readonly port: number;
	readonly objects: Map<string, Held>;
	readonly uploads: Map<string, Upload>;
	readonly faults: S3Fault[];
	/** Credentials that count now; may be changed. */
	credentials: readonly Credential[];
	/** Requests by action. */
	readonly counts: Map<string, number>;
	/** Requests as they came. */
	readonly requests: {readonly action: string; readonly key: string; readonly headers: IncomingMessage['headers']}[];
	/** How many are open: none once all that a client which is gone had sent has been read. */
	readonly connections: () => Promise<number>;
	readonly close: () => Promise<void>;
};

export const testCredential: Credential = {keyId: 'AKIATEST', secret: 'secret/of+the=test'};

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
	const {maxParts = 10_000, minPart = 0, lacks = []} = options;
	const objects = new Map<string, Held>();
	const uploads = new Map<string, Upload>();
	const faults: S3Fault[] = [];
	const counts = new Map<string, number>();
	const requests: S3Server['requests'] = [];
	const now = () => Date.now() + (options.clockOffset ?? 0);

	const hold = (bytes: Buffer, {request, fault}: Call): Held => {
		const used = [...objects.values()].reduce((sum, one) => sum + one.size, 0);
		if (options.quota !== undefined && used + bytes.length > options.quota)
			throw new Refusal(403, 'QuotaExceeded', 'The quota of the bucket is used up.');
		const crc = request.headers['x-amz-checksum-crc32'];
		if (lacks.includes('checksums') && crc !== undefined) {
			throw new Refusal(
				400,
				'InvalidArgument',
				"Unsupported header 'x-amz-checksum-crc32' received for this API call.",
			);
		}
		const etag = options.forget ? randomUUID().replaceAll('-', '') : createHash('md5').update(bytes).digest('hex');
		const kept = fault?.do === 'damage' ? damaged(bytes, fault.how) : bytes;
		return {
			bytes: options.forget ? Buffer.alloc(0) : Buffer.from(kept),
			size: kept.length,
			etag,
			crc32: crc === undefined ? undefined : fault?.do === 'damage' ? crcOf(kept) : String(crc),
			modified: now(),
			headers: metadataOf(request),
			version: randomUUID(),
		};
	};
	const requireAbsent = ({request, key}: Call) => {
		if (request.headers['if-none-match'] === undefined) return;
		if (lacks.includes('conditions'))
			throw new Refusal(
				501,
				'NotImplemented',
				'A header you provided implies functionality that is not implemented: If-None-Match',
			);
		if (objects.has(key))
			throw new Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
	};
	const uploadOf = ({query, key}: Call) => {
		const upload = uploads.get(query.get('uploadId') ?? '');
		if (upload?.key !== key) throw new Refusal(404, 'NoSuchUpload');
		return upload;
	};
	const described = (held: Held): Record<string, string> => ({
		...held.headers,
		etag: `"${held.etag}"`,
		'last-modified': new Date(held.modified).toUTCString(),
		'x-amz-version-id': held.version,
		...(held.crc32 === undefined ? {} : {'x-amz-checksum-crc32': held.crc32}),
	});

	const actions: Record<string, (call: Call, body: Buffer) => Answer> = {
		PutObject(call, body) {
			requireAbsent(call);
			const held = hold(body, call);
			objects.set(call.key, held);
			return {headers: receipt(held, call.fault)};
		},
		HeadObject({key}) {
			const held = objects.get(key);
			if (!held) throw new Refusal(404, 'NoSuchKey');
			return {headers: {...described(held), 'content-length': String(held.size)}};
		},
		GetObject({key, request}) {
			const held = objects.get(key);
			if (!held) throw new Refusal(404, 'NoSuchKey', 'The specified key does not exist.');
			const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
			if (!range) return {headers: described(held), body: held.bytes};
			const from = Number(range[1]);
			if (from >= held.size) throw new Refusal(416, 'InvalidRange');
			const {['x-amz-checksum-crc32']: _, ...headers} = described(held);
			return {
				status: 206,
				headers: {...headers, 'content-range': `bytes ${from}-${held.size - 1}/${held.size}`},
				body: held.bytes.subarray(from),
			};
		},
		DeleteObject({key}) {
			objects.delete(key);
			return {status: 204};
		},
		DeleteObjects(call, body) {
			if (lacks.includes('batches')) throw new Refusal(501, 'NotImplemented');
			const {request} = call;
			if (!request.headers['content-md5'] && !request.headers['x-amz-checksum-crc32'])
				throw new Refusal(400, 'MissingContentMD5');
			const keys = parseDeleted(body.toString());
			if (keys.length > 1000) throw new Refusal(400, 'MalformedXML');
			const refused = keys.filter(key => !allowed(call, key));
			for (const key of keys) if (!refused.includes(key)) objects.delete(key);
			return xml(
				'DeleteResult',
				refused.map(key => element('Error', {Key: key, Code: 'AccessDenied', Message: 'Access Denied'})).join(''),
			);
		},
		ListObjectsV2: call =>
			list(
				call.query,
				[...objects].map(([key, held]) => ({key, ...held})),
				{pageSize: options.pageSize ?? 1000, synthetic: options.synthetic ?? 0},
			),
		CreateMultipartUpload({key, request}) {
			const checksums = request.headers['x-amz-checksum-algorithm'] !== undefined;
			if (checksums && lacks.includes('checksums'))
				throw new Refusal(400, 'InvalidArgument', "Unsupported header 'x-amz-checksum-algorithm'");
			const id = randomUUID();
			uploads.set(id, {key, id, initiated: now(), headers: metadataOf(request), parts: new Map(), checksums});
			return xml('InitiateMultipartUploadResult', element('', {Bucket: 'bucket', Key: key, UploadId: id}));
		},
		UploadPart(call, body) {
			const upload = uploadOf(call);
			const number = Number(call.query.get('partNumber'));
			if (!(number >= 1 && number <= maxParts))
				throw new Refusal(400, 'InvalidArgument', `Part number must be between 1 and ${maxParts}`);
			const held = hold(body, call);
			upload.parts.set(number, held);
			return {headers: receipt(held, call.fault)};
		},
		ListParts(call) {
			const upload = uploadOf(call);
			const after = Number(call.query.get('part-number-marker') ?? 0);
			const parts = [...upload.parts].filter(([number]) => number > after).toSorted((a, b) => a[0] - b[0]);
			const page = parts.slice(0, options.pageSize ?? 1000);
			const content = page.map(([number, held]) =>
				element('Part', {PartNumber: number, ETag: `"${held.etag}"`, Size: held.size, ChecksumCRC32: held.crc32}),
			);
			const truncated = page.length < parts.length;
			return xml(
				'ListPartsResult',
				element('', {IsTruncated: truncated, NextPartNumberMarker: truncated ? page.at(-1)?.[0] : undefined}) +
					content.join(''),
			);
		},
		CompleteMultipartUpload(call, body) {
			const upload = uploadOf(call);
			requireAbsent(call);
			const wanted = parseCompleted(body.toString());
			const parts = wanted.map(({number, etag, crc32}, index) => {
				const held = upload.parts.get(number);
				if (!held || held.etag !== etag || (crc32 !== undefined && crc32 !== held.crc32))
					throw new Refusal(400, 'InvalidPart', `part ${number}`);
				if (index < wanted.length - 1 && held.size < minPart) throw new Refusal(400, 'EntityTooSmall');
				return held;
			});
			if (parts.length === 0) throw new Refusal(400, 'MalformedXML');
			const size = parts.reduce((sum, one) => sum + one.size, 0);
			const told = call.request.headers['x-amz-mp-object-size'];
			if (told !== undefined && Number(told) !== size)
				throw new Refusal(400, 'InvalidRequest', 'The size is not that of the parts');
			const md5 = createHash('md5')
				.update(Buffer.from(parts.map(one => one.etag).join(''), 'hex'))
				.digest('hex');
			const bytes = Buffer.concat(parts.map(one => one.bytes));
			const kept = call.fault?.do === 'damage' ? damaged(bytes, call.fault.how) : bytes;
			const held: Held = {
				bytes: kept,
				size: call.fault?.do === 'damage' && call.fault.how === 'truncate' ? kept.length : size,
				etag: `${md5}-${parts.length}`,
				crc32: upload.checksums
					? `${crcOf(...parts.map(one => Buffer.from(one.crc32 ?? '', 'base64')))}-${parts.length}`
					: undefined,
				modified: now(),
				headers: upload.headers,
				version: randomUUID(),
			};
			objects.set(upload.key, held);
			uploads.delete(upload.id);
			return xml(
				'CompleteMultipartUploadResult',
				element('', {
					Bucket: 'bucket',
					Key: encodeKey(upload.key),
					ETag: `"${call.fault?.do === 'wrongEtag' ? 'f'.repeat(32) : held.etag}"`,
				}),
			);
		},
		AbortMultipartUpload(call) {
			uploads.delete(uploadOf(call).id);
			return {status: 204};
		},
		ListMultipartUploads({query}) {
			if (lacks.includes('uploadList')) throw new Refusal(501, 'NotImplemented');
			const prefix = query.get('prefix') ?? '';
			const found = [...uploads.values()].filter(one => one.key.startsWith(prefix));
			return xml(
				'ListMultipartUploadsResult',
				element('', {IsTruncated: false}) +
					found
						.map(one =>
							element('Upload', {Key: one.key, UploadId: one.id, Initiated: new Date(one.initiated).toISOString()}),
						)
						.join(''),
			);
		},
	};

	const allowed = ({request, action}: Call, key: string) =>
		options.may?.(/Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '', action, key) ?? true;

	const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
		const call = parse(request, faults);
		const {action, key, fault} = call;
		counts.set(action, (counts.get(action) ?? 0) + 1);
		if (!options.forget) requests.push({action, key, headers: request.headers});
		if (fault?.do === 'stall') return void request.pause();
		const body = await readBody(request, fault?.do === 'reset' ? fault.after : Infinity, options.forget ?? false);
		if (body === undefined || fault?.do === 'silence') return;
		let answer: Answer;
		try {
			if (fault?.do === 'answer') throw new Refusal(fault.status, fault.code, fault.message, fault.headers);
			if (!options.forget) checkSignature(request, server.credentials, now());
			if (!allowed(call, key) && action !== 'DeleteObjects') throw new Refusal(403, 'AccessDenied', 'Access Denied');
			const run = actions[action];
			if (!run) throw new Refusal(501, 'NotImplemented', action);
			answer = fault?.do === 'errorIn200' ? errorIn200 : run(call, options.forget ? body : checkBody(request, body));
		} catch (error) {
			const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error));
			answer = {
				status: refusal.status,
				headers: refusal.headers,
				...(request.method === 'HEAD'
					? {}
					: {body: xml('Error', element('', {Code: refusal.code, Message: refusal.message})).body}),
			};
		}
		if (fault?.do === 'lose') return void request.socket.resetAndDestroy();
		send(request, response, answer, new Date(now()), fault?.do === 'cut' ? fault.after : undefined);
	};
	const listener = (request: IncomingMessage, response: ServerResponse) => {
		request.on('error', () => undefined); // resets are part of the game
		handle(request, response).catch((error: unknown) => response.destroy(error as Error));
	};
	const http: Server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
	await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve));
	const {port} = http.address() as AddressInfo;
	const server: S3Server = {
		url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
		port,
		objects,
		uploads,
		faults,
		credentials: options.credentials ?? [testCredential],
		counts,
		requests,
		connections: () =>
			new Promise((resolve, reject) => http.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
		close: () =>
			new Promise(resolve => {
				http.close(() => resolve());
				http.closeAllConnections();
			}),
	};
	return server;
}

const errorIn200: Answer = xml(
	'Error',
	element('', {Code: 'InternalError', Message: 'We encountered an internal error. Please try again.'}),
);

function damaged(bytes: Buffer, how: 'truncate' | 'flip'): Buffer {
	if (how === 'truncate') return bytes.subarray(0, -1);
	const copy = Buffer.from(bytes);
	copy[0]! ^= 1;
	return copy;
}

/** The answer to bytes that were taken. */
function receipt(held: Held, fault: S3Fault | undefined): Record<string, string> {
	const crc = fault?.do === 'wrongChecksum' ? 'AAAAAA==' : held.crc32;
	return {
		etag: `"${fault?.do === 'wrongEtag' ? 'f'.repeat(32) : held.etag}"`,
		...(crc === undefined || fault?.do === 'damage' ? {} : {'x-amz-checksum-crc32': crc}),
	};
}

function metadataOf(request: IncomingMessage): Record<string, string> {
	const kept = /^x-amz-(meta-|storage-class|server-side|object-lock|tagging)/;
	return Object.fromEntries(Object.entries(request.headers).filter(([name]) => kept.test(name))) as Record<
		string,
		string
	>;
}
