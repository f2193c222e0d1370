/** A forward proxy: CONNECT and whole URLs in the request line, with or without a password and TLS. */
import {once} from 'node:events';
import {createServer, type IncomingMessage, request as httpRequest, type ServerResponse} from 'node:http';
import {createServer as createTlsServer} from 'node:https';
import {type AddressInfo, connect, type Socket} from 'node:net';
import type {Duplex} from 'node:stream';

export type ForwardProxy = {
	readonly port: number;
	/** `CONNECT host:443` and `GET http://host/`, as received. */
	readonly requests: readonly string[];
	readonly stop: () => Promise<void>;
};

export type ForwardProxyOptions = {
	/** `user:password`. */
	readonly auth?: string;
	readonly tls?: {readonly cert: string; readonly key: string};
	/** Where names lead to: all connections go to 127.0.0.1 otherwise, whatever the host is called. */
	readonly refuse?: number;
};

export async function startForwardProxy(options: ForwardProxyOptions = {}): Promise<ForwardProxy> {
	const requests: string[] = [];
	const open = new Set<Duplex>();
	const expected = options.auth === undefined ? undefined : `Basic ${Buffer.from(options.auth).toString('base64')}`;
	const refusal = (headers: IncomingMessage['headers']) =>
		expected !== undefined && headers['proxy-authorization'] !== expected ? 407 : options.refuse;
	const onRequest = (request: IncomingMessage, response: ServerResponse) => {
		requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
		const status = refusal(request.headers);
		if (status !== undefined) return void response.writeHead(status).end();
		const url = new URL(request.url ?? '');
		const {'proxy-authorization': _, ...headers} = request.headers;
		const onward = httpRequest(
			{host: '127.0.0.1', port: url.port, path: url.pathname + url.search, method: request.method, headers},
			answer => {
				response.writeHead(answer.statusCode ?? 502, answer.headers);
				answer.pipe(response);
			},
		);
		onward.on('error', () => response.writeHead(502).end());
		request.pipe(onward);
	};
	const server = options.tls ? createTlsServer(options.tls, onRequest) : createServer(onRequest);
	server.on('connect', (request: IncomingMessage, client: Duplex) => {
		requests.push(`CONNECT ${request.url ?? ''}`);
		const status = refusal(request.headers);
		if (status !== undefined) return void client.end(`HTTP/1.1 ${status} Refused\r\n\r\n`);
		const port = Number(/:(\d+)$/.exec(request.url ?? '')?.[1]);
		const onward = connect({host: '127.0.0.1', port}, () => {
			client.write('HTTP/1.1 200 Connection established\r\n\r\n');
			client.pipe(onward).pipe(client);
		});
		open.add(onward);
		onward.on('error', () => client.destroy());
		client.on('error', () => onward.destroy());
	});
	server.on('connection', (socket: Socket) => open.add(socket));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return {
		port: (server.address() as AddressInfo).port,
		requests,
		async stop() {
			for (const socket of open) socket.destroy();
			server.close();
			await once(server, 'close');
		},
	};
}
