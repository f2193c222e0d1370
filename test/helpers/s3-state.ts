/** The S3 server's state, and how it receives and reports bytes. */
import {randomUUID} from 'node:crypto';
import type {IncomingMessage} from 'node:http';
import {damaged, md5Hex, type Refusing} from './s3-lies.js';
import type {Call, S3Fault} from './s3-requests.js';
import {crcOf, type Credential, Refusal} from './s3-signature.js';

export type S3ServerOptions = {
	readonly credentials?: readonly Credential[];
	/** Returns what a credential may do; everything by default. */
	readonly may?: (keyId: string, action: string, key: string) => boolean;
	/** Awaited when a request has arrived, before it has any effect. */
	readonly before?: (action: string, key: string) => Promise<void>;
	/** Receives bodies and discards them. */
	readonly forget?: boolean;
	readonly maxParts?: number;
	readonly minPart?: number;
	readonly pageSize?: number;
	/** Total bytes, above which uploads are rejected. */
	readonly quota?: number;
	/** Features that this service lacks. */
	readonly lacks?: readonly (
		| 'checksums'
		| 'conditions'
		| 'batches'
		| 'uploadList'
		/** Accepts checksum headers and ignores them. */
		| 'checksumAnswers'
		/** ETags are not MD5. */
		| 'md5Tags'
		/** Metadata is dropped. */
		| 'metadata'
		/** HEAD returns no size. */
		| 'contentLength'
		/** Downloads are always whole objects. */
		| 'ranges'
	)[];
	/** Requests that are rejected for a header that the service does not know. */
	readonly refuses?: readonly Refusing[];
	/** How ETags are written; unchanged by default. */
	readonly tag?: (etag: string, action: string) => string;
	/** Removals of these keys are rejected until then. */
	readonly locked?: Readonly<Record<string, string>>;
	/** Milliseconds by which the server's clock differs. */
	readonly clockOffset?: number;
	/** Pretends to contain this many more objects (s3-synthetic.ts). */
	readonly synthetic?: number;
	readonly tls?: {readonly key: string; readonly cert: string};
};

export type Held = {
	bytes: Buffer;
	size: number;
	etag: string;
	crc32?: string;
	modified: number;
	headers: Record<string, string>;
	version: string;
};
export type Upload = {
	key: string;
	id: string;
	initiated: number;
	headers: Record<string, string>;
	parts: Map<number, Held>;
	checksums: boolean;
};

export type S3State = {
	readonly options: S3ServerOptions;
	readonly lacks: NonNullable<S3ServerOptions['lacks']>;
	readonly objects: Map<string, Held>;
	readonly uploads: Map<string, Upload>;
	/** Milliseconds since the epoch by the server's clock. */
	readonly now: () => number;
};

/** Stores bytes. Throws a Refusal that the client receives. */
export function hold({options, lacks, objects, now}: S3State, bytes: Buffer, {request, fault}: Call): Held {
	const used = [...objects.values()].reduce((sum, one) => sum + one.size, 0);
	if (options.quota !== undefined && used + bytes.length > options.quota)
		throw new Refusal(403, 'QuotaExceeded', 'The quota of the bucket is used up.');
	const crc = request.headers['x-amz-checksum-crc32'];
	if (lacks.includes('checksums') && crc !== undefined) {
		throw new Refusal(400, 'InvalidArgument', "Unsupported header 'x-amz-checksum-crc32' received for this API call.");
	}
	const kept = fault?.do === 'damage' ? damaged(bytes, fault.how) : bytes;
	const isTruthful = fault?.do === 'damage' && fault.truthful === true;
	// A server that discards bodies must not be compared with.
	const etag = options.forget
		? `forgotten-${randomUUID()}`
		: lacks.includes('md5Tags')
			? randomUUID().replaceAll('-', '')
			: md5Hex(isTruthful ? kept : bytes);
	return {
		bytes: options.forget ? Buffer.alloc(0) : Buffer.from(kept),
		size: kept.length,
		etag,
		crc32:
			crc === undefined || lacks.includes('checksumAnswers')
				? undefined
				: fault?.do === 'damage'
					? crcOf(kept)
					: String(crc),
		modified: now(),
		headers: headersOf(lacks, request),
		version: randomUUID(),
	};
}

export function headersOf(lacks: S3State['lacks'], request: IncomingMessage): Record<string, string> {
	return lacks.includes('metadata') ? {} : metadataOf(request);
}

export function requireAbsent({lacks, objects}: S3State, {request, key}: Call): void {
	if (request.headers['if-none-match'] === undefined) return;
	if (lacks.includes('conditions'))
		throw new Refusal(
			501,
			'NotImplemented',
			'A header you provided implies functionality that is not implemented: If-None-Match',
		);
	if (objects.has(key))
		throw new Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
}

export function uploadOf({uploads}: S3State, {query, key}: Call): Upload {
	const upload = uploads.get(query.get('uploadId') ?? '');
	if (upload?.key !== key) throw new Refusal(404, 'NoSuchUpload');
	return upload;
}

/** ETags as this server writes them. */
export function tagOf({options}: S3State, {etag}: Held, action: string): string {
	return options.tag?.(etag, action) ?? etag;
}

export function lockHeaders({options}: S3State, key: string): Record<string, string> {
	const until = options.locked?.[key];
	return until === undefined
		? {}
		: {'x-amz-object-lock-mode': 'COMPLIANCE', 'x-amz-object-lock-retain-until-date': until};
}

export function described(state: S3State, held: Held, action = 'HeadObject'): Record<string, string> {
	return {
		...held.headers,
		etag: quoted(tagOf(state, held, action)),
		'last-modified': new Date(held.modified).toUTCString(),
		'x-amz-version-id': held.version,
		...(held.crc32 === undefined ? {} : {'x-amz-checksum-crc32': held.crc32}),
	};
}

/** The response to received bytes. */
export function receipt(held: Held, fault: S3Fault | undefined, tag: string): Record<string, string> {
	const crc = fault?.do === 'wrongChecksum' ? 'AAAAAA==' : held.crc32;
	return {
		etag: quoted(fault?.do === 'wrongEtag' ? 'f'.repeat(32) : tag),
		...(crc === undefined || (fault?.do === 'damage' && !fault.truthful) ? {} : {'x-amz-checksum-crc32': crc}),
	};
}

export function quoted(tag: string): string {
	return tag.includes('"') ? tag : `"${tag}"`;
}

function metadataOf(request: IncomingMessage): Record<string, string> {
	const kept = /^x-amz-(meta-|storage-class|server-side|object-lock|tagging)/;
	return Object.fromEntries(Object.entries(request.headers).filter(([name]) => kept.test(name))) as Record<
		string,
		string
	>;
}
