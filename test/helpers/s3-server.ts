/**
 * A small S3 server of our own that checks what others only accept: signatures, checksums, conditions, limits. It
 * counts, it can discard bodies, and it follows a script of faults. One bucket, `bucket`, path style.
 */
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import {createServer as createTlsServer} from 'node:https';
import type {AddressInfo} from 'node:net';
import {type Actions, allowed, objectActions} from './s3-actions.js';
import {type Answer, type Call, parse, readBody, type S3Fault, send} from './s3-requests.js';
import {checkBody, checkSignature, type Credential, Refusal} from './s3-signature.js';
import type {Held, S3ServerOptions, S3State, Upload} from './s3-state.js';
import {uploadActions} from './s3-upload-actions.js';
import {element, xml} from './s3-xml.js';

export type {S3ServerOptions} from './s3-state.js';

export type S3Server = {
	readonly url: string;
	readonly port: number;
	readonly objects: Map<string, Held>;
	readonly uploads: Map<string, Upload>;
	readonly faults: S3Fault[];
	/** Currently valid credentials; may be changed. */
	credentials: readonly Credential[];
	/** Requests by action. */
	readonly counts: Map<string, number>;
	/** Requests as received. */
	readonly requests: {readonly action: string; readonly key: string; readonly headers: IncomingMessage['headers']}[];
	/** Bytes of objects that were sent, of each download. */
	readonly sent: number[];
	/** Returns how many are open: none once everything from a disconnected client has been read. */
	readonly connections: () => Promise<number>;
	readonly close: () => Promise<void>;
};

export const testCredential: Credential = {keyId: 'AKIATEST', secret: 'secret/of+the=test'};

export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
	const objects = new Map<string, Held>();
	const uploads = new Map<string, Upload>();
	const faults: S3Fault[] = [];
	const counts = new Map<string, number>();
	const requests: S3Server['requests'] = [];
	const sent: number[] = [];
	const now = () => Date.now() + (options.clockOffset ?? 0);
	const state: S3State = {options, lacks: options.lacks ?? [], objects, uploads, now};
	const listener = (request: IncomingMessage, response: ServerResponse) => {
		request.on('error', () => undefined); // resets are expected
		handle(running, request, response).catch((error: unknown) => response.destroy(error as Error));
	};
	const http: Server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
	const port = await listen(http);
	const server: S3Server = {
		url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
		port,
		objects,
		uploads,
		faults,
		credentials: options.credentials ?? [testCredential],
		counts,
		requests,
		sent,
		connections: () =>
			new Promise((resolve, reject) => http.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
		close: () =>
			new Promise(resolve => {
				http.close(() => resolve());
				http.closeAllConnections();
			}),
	};
	const running: Running = {
		...{state, faults, counts, requests, sent},
		actions: {...objectActions(state), ...uploadActions(state)},
		credentials: () => server.credentials,
	};
	return server;
}

/** Of all servers of this process: our store remembers by its address what a service supports. */
const usedPorts = new Set<number>();

async function listen(http: Server): Promise<number> {
	for (;;) {
		await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve));
		const {port} = http.address() as AddressInfo;
		if (!usedPorts.has(port)) {
			usedPorts.add(port);
			return port;
		}
		await new Promise(resolve => http.close(resolve));
	}
}

type Running = Pick<S3Server, 'faults' | 'counts' | 'requests' | 'sent'> & {
	readonly state: S3State;
	readonly actions: Actions;
	readonly credentials: () => readonly Credential[];
};

async function handle(server: Running, request: IncomingMessage, response: ServerResponse): Promise<void> {
	const {state, faults, counts, requests, sent} = server;
	const {options, now} = state;
	const call = parse(request, faults);
	const {action, key, fault} = call;
	counts.set(action, (counts.get(action) ?? 0) + 1);
	if (!options.forget) requests.push({action, key, headers: request.headers});
	if (fault?.do === 'stall') return void request.pause();
	const body = await readBody(request, fault?.do === 'reset' ? fault.after : Infinity, options.forget ?? false);
	if (body === undefined || fault?.do === 'silence') return;
	await options.before?.(action, key);
	const answer = answerTo(server, request, call, body);
	if (fault?.do === 'lose' || (fault && 'lose' in fault && fault.lose)) return void request.socket.resetAndDestroy();
	const cut = fault?.do === 'cut' ? fault.after : undefined;
	if (action === 'GetObject') sent.push(Math.min(cut ?? Infinity, answer.body?.length ?? 0));
	send(request, response, answer, new Date(now()), cut);
}

function answerTo(server: Running, request: IncomingMessage, call: Call, body: Buffer): Answer {
	try {
		return answerOrRefuse(server, request, call, body);
	} catch (error) {
		const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error));
		return {
			status: refusal.status,
			headers: refusal.headers,
			...(request.method === 'HEAD' || refusal.code === ''
				? {}
				: {body: xml('Error', element('', {Code: refusal.code, Message: refusal.message})).body}),
		};
	}
}

function answerOrRefuse(server: Running, request: IncomingMessage, call: Call, body: Buffer): Answer {
	const {options, now} = server.state;
	const {action, key, fault} = call;
	const refusing = options.refuses?.find(
		one =>
			(one.actions ?? [action]).includes(action) &&
			(Object.keys(request.headers).some(name => one.header.test(name)) || one.header.test(request.url ?? '')),
	);
	if (refusing) throw new Refusal(refusing.status, refusing.code ?? '', '');
	if (fault?.do === 'answer') throw new Refusal(fault.status, fault.code, fault.message, fault.headers);
	if (!options.forget) checkSignature(request, server.credentials(), now());
	if (!allowed(options, call, key) && action !== 'DeleteObjects')
		throw new Refusal(403, 'AccessDenied', 'Access Denied');
	const run = server.actions[action];
	if (!run) throw new Refusal(501, 'NotImplemented', action);
	if (fault?.do === 'raw') return fault;
	return fault?.do === 'errorIn200' ? errorIn200 : run(call, options.forget ? body : checkBody(request, body));
}

const errorIn200: Answer = xml(
	'Error',
	element('', {Code: 'InternalError', Message: 'We encountered an internal error. Please try again.'}),
);
