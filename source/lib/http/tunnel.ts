/** Opens connections through a proxy. */
import {connect as connectTcp, type Socket} from 'node:net';
import {connect as connectTls, type SecureContext} from 'node:tls';
import {connectionFailure} from './connection-failure.js';
import type {Proxy} from './proxy.js';
import {ProxyError} from './proxy-error.js';
import {addTlsFailure, tlsFailure} from './tls-failure.js';

export type Connecting = {readonly trust: () => SecureContext; /** Milliseconds. */ readonly timeout: number};

/** Starts a connection to the proxy itself. Its failure is reported as a ProxyError on the socket. */
export function connectToProxy(proxy: Proxy, {trust, timeout}: Connecting): Socket {
	const {host, port, secure} = proxy;
	const socket = secure
		? connectTls({host, port, secureContext: trust(), ...(!/^[\d.:a-f]+$/i.test(host) && {servername: host})})
		: connectTcp({host, port});
	if (secure) addTlsFailure(socket as ReturnType<typeof connectTls>, host);
	endAfter(socket, secure ? 'secureConnect' : 'connect', timeout);
	let connected = false;
	socket.once(secure ? 'secureConnect' : 'connect', () => (connected = true));
	const destroy = socket.destroy.bind(socket);
	// http has listeners of its own on the socket: the error must be converted before any of them receives it.
	socket.destroy = (error?: Error) => destroy(error && !connected ? proxyFailure(proxy, error) : error);
	return socket;
}

function proxyFailure(proxy: Proxy, cause: Error): ProxyError {
	if (cause instanceof ProxyError) return cause;
	const {code = ''} = cause as NodeJS.ErrnoException;
	const tls = tlsFailure(cause);
	const reason = connectionFailure(cause) ?? cause.message;
	return new ProxyError(`could not connect to the proxy ${proxy.shown}: ${reason}`, {
		permanent: tls?.permanent ?? code === 'ENOTFOUND',
		cause,
	});
}

/** Maximum bytes of a proxy's response to CONNECT. */
const longestAnswer = 64 * 1024;

/**
 * Opens a tunnel to `target` (`host:port`), until `signal` aborts. Resolves to a socket from which no data of the target
 * has been read.
 */
export function openTunnel(
	proxy: Proxy,
	target: string,
	{signal, ...connecting}: Connecting & {readonly signal: AbortSignal},
): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const socket = connectToProxy(proxy, connecting);
		const timer = setTimeout(() => fail('no answer', false), connecting.timeout);
		let answer = Buffer.alloc(0);
		const settle = () => {
			clearTimeout(timer);
			signal.removeEventListener('abort', onAbort);
			socket.off('data', onData).off('error', onError).off('close', onClose);
		};
		function fail(why: string, permanent: boolean): void {
			settle();
			socket.on('error', () => undefined);
			socket.destroy();
			reject(new ProxyError(`the proxy ${proxy.shown} refused a connection to ${target}: ${why}`, {permanent}));
		}
		function onError(error: Error): void {
			settle();
			reject(error instanceof ProxyError ? error : proxyFailure(proxy, error));
		}
		function onClose(): void {
			fail('it closed the connection', false);
		}
		function onAbort(): void {
			fail('it was not waited for', false);
		}
		function onData(chunk: Buffer): void {
			answer = Buffer.concat([answer, chunk]);
			if (!'HTTP/'.startsWith(answer.toString('latin1', 0, 5))) return fail('its response is not HTTP', true);
			const end = answer.indexOf('\r\n\r\n');
			if (end === -1) return answer.length > longestAnswer ? fail('its response is not HTTP', true) : undefined;
			const [, status = '', reason = ''] =
				/^HTTP\/1\.[01] (\d{3}) ?([^\r\n]*)/.exec(answer.toString('latin1', 0, end)) ?? [];
			if (status === '') return fail('its response is not HTTP', true);
			// A gateway may reach later what it cannot reach now; a rejection is permanent.
			if (!status.startsWith('2')) return fail(`${status} ${reason}`.trim(), Number(status) < 500);
			settle();
			socket.pause();
			if (answer.length > end + 4) socket.unshift(answer.subarray(end + 4));
			resolve(socket);
		}
		signal.addEventListener('abort', onAbort);
		socket.on('data', onData).on('error', onError).on('close', onClose);
		const authorization = proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`;
		socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`);
	});
}

/** Closes a connection that is not established after `timeout` milliseconds. */
export function endAfter(socket: Socket, event: 'connect' | 'secureConnect', timeout: number): void {
	const timer = setTimeout(() => {
		socket.destroy(Object.assign(new Error('the connection timed out'), {code: 'ETIMEDOUT'}));
	}, timeout);
	const stop = () => clearTimeout(timer);
	socket.once(event, stop).once('close', stop);
}
