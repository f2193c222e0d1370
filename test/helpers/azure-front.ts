/** A proxy for the official emulator that lies: damages bodies, loses writes, loses and replaces responses. */
import {createHash} from 'node:crypto';
import {createServer, type IncomingMessage, request as send, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {ContainerSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential} from '@azure/storage-blob';
import type {Azurite} from './azurite.js';

export type RawAnswer = {
	readonly status: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: string;
};

export type Lies = {
	/** The response sent instead of asking the service, if `hits` returns true. */
	answer?: RawAnswer;
	hits?: (line: string) => boolean;
	/** The response to all other requests. */
	next?: RawAnswer;
	/** The number of affected requests; all by default. */
	times?: number;
	/** What happens to the bodies of Put Blob and Put Block before they are stored. */
	damage?: 'flip' | 'cut' | 'drop block';
	/** Confirms the request that makes a blob visible, with the right checksum, and stores nothing. */
	discards?: boolean;
	/** The number of blobs affected by `damage` and `discards`; all by default. */
	blobs?: number;
	/**
	 * The Content-MD5 in the responses to Put Blob and Put Block: of what was stored, of what was sent, wrong, or none.
	 */
	md5?: 'stored' | 'sent' | 'wrong' | 'none';
	/** The x-ms-content-crc64 in the same responses. */
	crc64?: string;
	/** The response to the request that makes the blob visible is lost, once. */
	losesLastAnswer?: boolean;
	/** Methods that are rejected for lack of permission. */
	denied?: readonly ('GET' | 'HEAD' | 'DELETE')[];
};

export type AzureFront = {
	/** URL of the account. */
	readonly url: string;
	/**
	 * Returns the query that grants every right to `container`: a SAS signs neither headers nor body, so both can be
	 * changed.
	 */
	readonly sas: (container: string) => string;
	readonly lies: Lies;
	/** Without signatures. */
	readonly requests: string[];
	/** Stops all lies. */
	readonly calm: () => void;
	readonly close: () => void;
};

export const isWhole = (line: string) => line.startsWith('PUT') && !line.includes('comp=');
export const isBlock = (line: string) => line.startsWith('PUT') && /comp=block(&|$)/.test(line);
export const isCommit = (line: string) => line.startsWith('PUT') && line.includes('comp=blocklist');

export async function startAzureFront(azurite: Azurite): Promise<AzureFront> {
	const lies: Lies = {};
	const requests: string[] = [];
	const front = createServer((incoming, outgoing) => {
		handle(incoming, outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
	});
	await new Promise<void>(resolve => front.listen(0, '127.0.0.1', resolve));
	return {
		url: `http://127.0.0.1:${(front.address() as AddressInfo).port}/${azurite.account}`,
		sas(containerName) {
			const credential = new StorageSharedKeyCredential(azurite.account, azurite.key);
			const permissions = ContainerSASPermissions.parse('racwdl');
			const expiresOn = new Date(Date.now() + 3_600_000);
			return generateBlobSASQueryParameters({containerName, permissions, expiresOn}, credential).toString();
		},
		lies,
		requests,
		calm() {
			for (const name of Object.keys(lies)) Reflect.deleteProperty(lies, name);
		},
		close() {
			front.closeAllConnections();
			front.close();
		},
	};

	async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
		const line = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
		requests.push(line.replace(/&?s[a-z]{1,2}=[^&]*/g, ''));
		const chunks: Buffer[] = [];
		for await (const chunk of incoming) chunks.push(chunk as Buffer);
		const {answer, hits = () => true, denied = []} = lies;
		if (answer && hits(line) && lies.times !== 0) {
			if (lies.times !== undefined) lies.times--;
			return void outgoing.writeHead(answer.status, answer.headers).end(answer.body);
		}
		if (lies.next) return void outgoing.writeHead(lies.next.status, lies.next.headers).end(lies.next.body);
		if (denied.some(method => method === incoming.method)) {
			const headers = {'x-ms-error-code': 'AuthorizationPermissionMismatch', 'x-ms-request-id': 'x'};
			return void outgoing.writeHead(403, headers).end();
		}
		const sent = Buffer.concat(chunks);
		const shows = isCommit(line) || isWhole(line);
		const isHit = lies.blobs === undefined || lies.blobs > 0;
		if (shows && isHit && lies.blobs !== undefined && (lies.discards || lies.damage)) lies.blobs--;
		if (shows && isHit && lies.discards) {
			const md5 = createHash('md5').update(sent).digest('base64');
			return void outgoing.writeHead(201, {'content-md5': md5, etag: '"0x8D00000000"', 'x-ms-request-id': 'x'}).end();
		}
		const stored = isHit ? damaged(line, sent) : sent;
		const headers = {...incoming.headers};
		if (stored !== sent) {
			delete headers['content-md5'];
			delete headers['x-ms-blob-content-md5'];
			headers['content-length'] = String(stored.length);
		}
		const {port} = azurite;
		const upstream = send({port, host: '127.0.0.1', method: incoming.method, path: incoming.url, headers}, reply => {
			if (lies.losesLastAnswer && shows) {
				lies.losesLastAnswer = false;
				return void reply.resume().on('end', () => incoming.socket.resetAndDestroy());
			}
			const answered = {...reply.headers};
			if ((isWhole(line) || isBlock(line)) && (reply.statusCode ?? 500) < 300) setChecksums(answered, sent, stored);
			outgoing.writeHead(reply.statusCode ?? 500, answered);
			return reply.pipe(outgoing);
		});
		upstream.on('error', () => incoming.socket.destroy());
		upstream.end(stored);
	}

	function damaged(line: string, body: Buffer): Buffer {
		if (isCommit(line) && lies.damage === 'drop block')
			return Buffer.from(body.toString().replace(/<(Latest|Uncommitted)>[^<]*<\/\1>/, ''));
		if (!(isWhole(line) || isBlock(line))) return body;
		if (lies.damage === 'cut') return body.subarray(0, body.length - 1);
		if (lies.damage !== 'flip') return body;
		const copy = Buffer.from(body);
		copy[0] = (copy[0] ?? 0) ^ 1;
		return copy;
	}

	function setChecksums(headers: Record<string, unknown>, sent: Buffer, stored: Buffer): void {
		delete headers['content-md5'];
		delete headers['x-ms-content-crc64'];
		const of = {stored, sent, wrong: Buffer.from('wrong'), none: undefined}[lies.md5 ?? 'stored'];
		if (of) headers['content-md5'] = createHash('md5').update(of).digest('base64');
		if (lies.crc64 !== undefined) headers['x-ms-content-crc64'] = lies.crc64;
	}
}
