/**
 * The agents of every HTTP client: they choose the proxy of each connection, and trust the same certificate
 * authorities.
 */
import {Agent as HttpAgent, type AgentOptions, type ClientRequest, type ClientRequestArgs} from 'node:http';
import {Agent as HttpsAgent} from 'node:https';
import type {Socket} from 'node:net';
import type {Duplex} from 'node:stream';
import type {TLSSocket} from 'node:tls';
import type {Proxy} from './proxy.js';
import {addTlsFailure} from './tls-failure.js';
import {type Connecting, connectToProxy, endAfter, openTunnel} from './tunnel.js';

export type Routing = Connecting & {
	/** Called with each connection when it is made. */
	readonly onSocket?: ((socket: Socket) => void) | undefined;
	/** Chooses the proxy of a connection, and may record it. */
	readonly proxyFor: (protocol: 'http:' | 'https:', host: string, port: number) => Proxy | undefined;
};

type Created = (error: Error | null, socket: Duplex) => void;
type Options = ClientRequestArgs & {readonly servername?: string};

const sockets: AgentOptions = {keepAlive: true, maxSockets: 64};

function targetOf({host, port}: Options, defaultPort: number): readonly [string, number] {
	return [host ?? 'localhost', Number(port ?? defaultPort)];
}

/** Records errors for clients that only pass on the text of an error. */
export type Failures = {
	/** The error of the last connection that failed or was lost. */
	lastFailure: Error | undefined;
};

export class RoutedHttpsAgent extends HttpsAgent implements Failures {
	lastFailure: Error | undefined;
	readonly #routing: Routing;
	readonly #destroyed = new AbortController();

	constructor(routing: Routing) {
		super(sockets);
		this.#routing = routing;
	}

	/** Node's agent does not know the connections that are still being opened. */
	override destroy(): void {
		this.#destroyed.abort();
		super.destroy();
	}

	override createConnection(options: Options, callback?: Created): Duplex | null | undefined {
		const [host, port] = targetOf(options, 443);
		const proxy = this.#routing.proxyFor('https:', host, port);
		if (proxy === undefined) return this.#secure(options, host);
		const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
		openTunnel(proxy, target, {...this.#routing, signal: this.#destroyed.signal}).then(
			socket => callback?.(null, this.#secure({...options, socket} as Options, host)),
			// The agent only uses the error.
			(thrown: unknown) => {
				const error = thrown as Error;
				this.lastFailure = error;
				callback?.(error, undefined as unknown as Duplex);
			},
		);
		return undefined;
	}

	#secure(options: Options, host: string): TLSSocket {
		const secured = {...options, secureContext: this.#routing.trust()};
		const socket = super.createConnection(secured) as TLSSocket;
		this.#routing.onSocket?.(socket);
		addTlsFailure(socket, options.servername || host);
		endAfter(socket, 'secureConnect', this.#routing.timeout);
		socket.prependListener('error', (error: Error) => (this.lastFailure = error));
		return socket;
	}
}

/** The method of Node's agent that handles a request; missing in its types, and overridden by other agents too. */
type AddRequest = (this: HttpAgent, request: ClientRequest, options: Options) => void;
const {addRequest} = HttpAgent.prototype as unknown as {readonly addRequest: AddRequest};

export class RoutedHttpAgent extends HttpAgent implements Failures {
	lastFailure: Error | undefined;
	readonly #routing: Routing;

	constructor(routing: Routing) {
		super(sockets);
		this.#routing = routing;
	}

	/** A proxy is sent the whole URL in the request line (RFC 9112, 3.2.2). */
	addRequest(request: ClientRequest, options: Options): void {
		const [host, port] = targetOf(options, 80);
		const proxy = this.#routing.proxyFor('http:', host, port);
		if (proxy !== undefined) {
			const authority = host.includes(':') ? `[${host}]` : host;
			request.path = `http://${authority}:${port}${request.path}`;
			if (proxy.authorization !== undefined) request.setHeader('proxy-authorization', proxy.authorization);
		}
		addRequest.call(this, request, options);
	}

	override createConnection(options: Options, callback?: Created): Duplex | null | undefined {
		const proxy = this.#routing.proxyFor('http:', ...targetOf(options, 80));
		if (proxy !== undefined) {
			const socket = connectToProxy(proxy, this.#routing);
			this.#routing.onSocket?.(socket);
			return socket.prependListener('error', (error: Error) => (this.lastFailure = error));
		}
		const socket = super.createConnection(options, callback) as Socket;
		this.#routing.onSocket?.(socket);
		endAfter(socket, 'connect', this.#routing.timeout);
		return socket;
	}
}
