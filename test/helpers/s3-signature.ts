/** The server's side of AWS Signature Version 4, of aws-chunked bodies and of checksums: rejects invalid ones. */
import {createHash, createHmac, timingSafeEqual} from 'node:crypto';
import type {IncomingMessage} from 'node:http';
import {crc32} from 'node:zlib';

/** Thrown by the server's parts; becomes an XML error. */
export class Refusal extends Error {
	readonly status: number;
	readonly code: string;
	readonly headers: Readonly<Record<string, string>>;

	constructor(status: number, code: string, message: string = code, headers: Readonly<Record<string, string>> = {}) {
		super(message);
		this.status = status;
		this.code = code;
		this.headers = headers;
	}
}

export type Credential = {readonly keyId: string; readonly secret: string; readonly token?: string};

const quarter = 15 * 60_000;

/** Returns the credential of a request. `now` is the server's time in milliseconds. */
export function checkSignature(request: IncomingMessage, credentials: readonly Credential[], now: number): Credential {
	const {headers, method = '', url = ''} = request;
	const parsed =
		/^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
			headers.authorization ?? '',
		);
	if (!parsed) throw new Refusal(403, 'AccessDenied', 'no usable signature');
	const [, keyId, date, region, signedHeaders, signature] = parsed as unknown as string[];
	const credential = credentials.find(one => one.keyId === keyId && one.token === headers['x-amz-security-token']);
	if (!credential) {
		const known = credentials.some(one => one.keyId === keyId);
		throw known
			? new Refusal(400, 'ExpiredToken', 'The provided token has expired.')
			: new Refusal(403, 'InvalidAccessKeyId');
	}
	const time = String(headers['x-amz-date']);
	const sent = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
	if (!(Math.abs(sent - now) < quarter)) {
		throw new Refusal(
			403,
			'RequestTimeTooSkewed',
			'The difference between the request time and the current time is too large.',
		);
	}
	const [path = '', query = ''] = url.split('?');
	const canonical = [
		method,
		path,
		query
			.split('&')
			.filter(Boolean)
			.map(one => (one.includes('=') ? one : `${one}=`))
			.toSorted()
			.join('&'),
		...signedHeaders!.split(';').map(name => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, ' ')}`),
		'',
		signedHeaders,
		headers['x-amz-content-sha256'],
	].join('\n');
	const scope = `${date}/${region}/s3/aws4_request`;
	const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
	const key = [date!, region!, 's3', 'aws4_request'].reduce<Buffer | string>(
		(secret, part) => createHmac('sha256', secret).update(part).digest(),
		`AWS4${credential.secret}`,
	);
	const expected = createHmac('sha256', key).update(toSign).digest();
	if (!timingSafeEqual(expected, Buffer.from(signature!, 'hex'))) throw new Refusal(403, 'SignatureDoesNotMatch');
	return credential;
}

/** Returns the decoded bytes, after comparing every checksum sent with them. */
export function checkBody(request: IncomingMessage, body: Buffer): Buffer {
	const {headers} = request;
	const signed = String(headers['x-amz-content-sha256']);
	let bytes = body;
	let trailers: Record<string, string> = {};
	if (signed.startsWith('STREAMING-')) ({bytes, trailers} = decodeChunks(body));
	else if (signed !== 'UNSIGNED-PAYLOAD' && signed !== createHash('sha256').update(body).digest('hex')) {
		throw new Refusal(400, 'XAmzContentSHA256Mismatch');
	}
	const crc = headers['x-amz-checksum-crc32'] ?? trailers['x-amz-checksum-crc32'];
	if (crc !== undefined && crc !== crcOf(bytes))
		throw new Refusal(400, 'BadDigest', 'The CRC32 you specified did not match.');
	const md5 = headers['content-md5'];
	if (md5 !== undefined && md5 !== createHash('md5').update(bytes).digest('base64'))
		throw new Refusal(400, 'BadDigest');
	const length = headers['x-amz-decoded-content-length'];
	if (length !== undefined && Number(length) !== bytes.length) throw new Refusal(400, 'IncompleteBody');
	return bytes;
}

function decodeChunks(body: Buffer): {bytes: Buffer; trailers: Record<string, string>} {
	const chunks: Buffer[] = [];
	for (let at = 0; ;) {
		const end = body.indexOf('\r\n', at);
		const size = parseInt(body.toString('latin1', at, end), 16);
		if (end < 0 || Number.isNaN(size)) throw new Refusal(400, 'IncompleteBody');
		at = end + 2;
		if (size === 0) {
			const lines = body.toString('latin1', at).split('\r\n').filter(Boolean);
			return {
				bytes: Buffer.concat(chunks),
				trailers: Object.fromEntries(lines.map(line => line.split(/: ?/, 2) as [string, string])),
			};
		}
		chunks.push(body.subarray(at, at + size));
		at += size + 2;
	}
}

export function crcOf(...parts: readonly Uint8Array[]): string {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(parts.reduce((crc, part) => crc32(part, crc), 0));
	return bytes.toString('base64');
}
