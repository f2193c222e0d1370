/** Services behind TLS of a private authority, a proxy that wants a password, and the program that goes through both. */
import {writeFileSync} from 'node:fs';
import {createServer as createHttpServer, type IncomingMessage, type ServerResponse} from 'node:http';
import {type AddressInfo, connect, type Server} from 'node:net';
import {join} from 'node:path';
import {createServer as createTlsServer} from 'node:tls';
import {createAuthority} from '../helpers/certificates.js';
import {type ForwardProxy, startForwardProxy} from '../helpers/forward-proxy.js';
import {startGcsServer} from '../helpers/gcs-server.js';
import {type Ended, scratchDirectory} from '../helpers/program.js';
import {configFile, impatient, runWithin} from './remote-places.js';

export const authority = createAuthority();
export const password = 'open-sesame';
const localhost = authority.issue('localhost');
const closing: (() => unknown)[] = [];

/** Closes what was started, the last first. */
export async function closeServices(): Promise<void> {
	for (const close of closing.splice(0).toReversed()) await close();
}

/** Calls `close` when the others are closed. */
export function closeLater(close: () => unknown): void {
	closing.push(close);
}

export async function startPasswordProxy(): Promise<ForwardProxy> {
	const proxy = await startForwardProxy({auth: `user:${password}`});
	closeLater(() => proxy.stop());
	return proxy;
}

async function listen(server: Server): Promise<number> {
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	closeLater(() => server.close());
	return (server.address() as AddressInfo).port;
}

/** TLS with the private authority's certificate, before a server without. */
export function inTls(port: number): Promise<number> {
	const server = createTlsServer({cert: localhost.cert, key: localhost.key}, client => {
		const upstream = connect({port, host: '127.0.0.1'});
		client.on('error', () => upstream.destroy()).pipe(upstream);
		upstream.on('error', () => client.destroy()).pipe(client);
	});
	server.on('tlsClientError', () => undefined);
	return listen(server);
}

/** A JSON service; what it was asked is in `asked`. */
export async function answering(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void) {
	const asked: string[] = [];
	const server = createHttpServer((request, response) => {
		let body = '';
		request.on('data', (chunk: Buffer) => (body += chunk.toString()));
		request.on('end', () => {
			asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
			answer(request, response, body);
		});
	});
	return {asked, port: await listen(server)};
}

export type HttpPlace = {
	readonly store: string;
	readonly settings: readonly string[];
	readonly env: Record<string, string>;
};

/** With a federated identity: a token is fetched first, from a service behind the same authority. */
export async function gcs(): Promise<HttpPlace> {
	const server = await startGcsServer('suite');
	closeLater(() => server.stop());
	const port = await inTls(Number(new URL(server.url).port));
	Object.assign(server, {url: `https://127.0.0.1:${port}`, token: 'the-token'});
	const tokens = await answering((_, response) => {
		response.setHeader('content-type', 'application/json');
		response.end(JSON.stringify({access_token: 'the-token', expires_in: 3600, token_type: 'Bearer'}));
	});
	const home = scratchDirectory('key');
	const keyfile = join(home, 'key.json');
	writeFileSync(join(home, 'subject'), 'the.subject.token', {mode: 0o644});
	const key = {
		type: 'external_account',
		audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
		subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
		token_url: `https://127.0.0.1:${await inTls(tokens.port)}/token`,
		credential_source: {file: join(home, 'subject')},
	};
	writeFileSync(keyfile, JSON.stringify(key), {mode: 0o644});
	return {
		store: 'gcs',
		settings: ['gcs_bucket = suite', `gcs_endpoint = https://127.0.0.1:${port}`, `gcs_keyfile = ${keyfile}`],
		env: {},
	};
}

export const noImds = {AWS_EC2_METADATA_DISABLED: 'true'};

export type Settings = {
	readonly env?: Record<string, string>;
	readonly lines?: readonly string[];
	readonly args?: readonly string[];
};

/** Lists what is at `place`, unless `args` say otherwise. */
export function run(place: HttpPlace, {env = {}, lines = [], args}: Settings = {}): Promise<Ended> {
	const conf = configFile([...impatient, ...place.settings, `upload = ${place.store}`, ...lines]);
	const list = ['-b', scratchDirectory('b'), ...(args ?? ['--list-remote', place.store])];
	return runWithin(['-c', conf, ...list], {env: {...noImds, ...place.env, ...env}});
}
