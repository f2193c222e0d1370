/** A TCP proxy that adds latency and breaks connections on demand: for any target and protocol. */
import {type AddressInfo, connect, createServer, type Socket} from 'node:net';

/** What happens to one direction of a connection after `after` bytes of it have passed (0: at once). */
export type ProxyFault = {
	readonly direction: 'up' | 'down';
	readonly after: number;
	/** `cut`: FIN both ways; `reset`: RST both ways; `stall`: nothing is forwarded any more, the connection stays. */
	readonly do: 'cut' | 'reset' | 'stall';
	/** The number of affected connections; 1 by default. */
	times?: number;
	/** The number of connections that are not affected first. */
	skip?: number;
};

export type FaultProxy = {
	readonly port: number;
	/** May be extended at any time; applies to connections made from then on. */
	readonly faults: ProxyFault[];
	/** Milliseconds added each way; may be changed. */
	delay: number;
	/** Connections so far. */
	readonly connections: () => number;
	/** Bytes that passed. */
	readonly bytes: {up: number; down: number};
	/** Resets every open connection. */
	readonly resetAll: () => void;
	/** Closes the connections and the proxy. */
	readonly close: () => Promise<void>;
};

export type ProxyTarget = {readonly port: number; readonly host?: string};

const mostQueued = 32 * 1024 * 1024;

export async function startFaultProxy(
	target: ProxyTarget,
	options: {readonly delay?: number} = {},
): Promise<FaultProxy> {
	const faults: ProxyFault[] = [];
	const open = new Set<Socket>();
	let connections = 0;
	const server = createServer({allowHalfOpen: true, noDelay: true}, client => {
		connections++;
		const fault = nextFault(faults);
		const upstream = connect({port: target.port, host: target.host ?? '127.0.0.1', allowHalfOpen: true, noDelay: true});
		const pair = [client, upstream] as const;
		for (const socket of pair) {
			open.add(socket);
			// A connection that breaks here is one that breaks there.
			socket.on('error', () => endBoth(pair, 'reset'));
			socket.on('close', () => open.delete(socket));
		}
		pass(client, upstream, 'up', fault, pair, proxy);
		pass(upstream, client, 'down', fault, pair, proxy);
	});
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	const proxy: FaultProxy = {
		port: (server.address() as AddressInfo).port,
		faults,
		delay: options.delay ?? 0,
		connections: () => connections,
		bytes: {up: 0, down: 0},
		resetAll() {
			for (const socket of open) socket.resetAndDestroy();
		},
		close: () =>
			new Promise(resolve => {
				server.close(() => resolve());
				for (const socket of open) socket.destroy();
			}),
	};
	return proxy;
}

function nextFault(faults: readonly ProxyFault[]): ProxyFault | undefined {
	for (const fault of faults) {
		fault.times ??= 1;
		if (fault.times === 0) continue;
		if ((fault.skip ?? 0) > 0) {
			fault.skip!--;
			continue;
		}
		fault.times--;
		return fault;
	}
	return undefined;
}

function pass(
	from: Socket,
	to: Socket,
	direction: 'up' | 'down',
	fault: ProxyFault | undefined,
	pair: readonly [Socket, Socket],
	proxy: FaultProxy,
): void {
	const mine = fault?.direction === direction ? fault : undefined;
	let passed = 0;
	let queued = 0;
	let stopped = false;
	const later = (work: () => void) => (proxy.delay > 0 ? void setTimeout(work, proxy.delay) : work());
	const strike = () => {
		stopped = true;
		if (mine?.do === 'stall') from.pause();
		else endBoth(pair, mine?.do ?? 'reset');
	};
	from.on('data', (chunk: Buffer) => {
		if (stopped) return;
		const room = mine ? Math.max(0, mine.after - passed) : Infinity;
		const piece = chunk.subarray(0, Math.min(chunk.length, room));
		passed += piece.length;
		proxy.bytes[direction] += piece.length;
		queued += piece.length;
		if (queued > mostQueued) from.pause();
		later(() => {
			queued -= piece.length;
			if (to.destroyed) return;
			const flowing = to.write(piece);
			if (!flowing) {
				from.pause();
				to.once('drain', () => from.resume());
			} else if (queued <= mostQueued && !stopped) from.resume();
		});
		if (mine && passed >= mine.after) later(strike);
	});
	from.on('end', () =>
		later(() => {
			if (!to.destroyed) to.end();
		}),
	);
	if (mine?.after === 0) strike();
}

function endBoth(pair: readonly [Socket, Socket], how: 'cut' | 'reset' | 'stall'): void {
	for (const socket of pair) {
		if (how === 'cut') socket.destroySoon();
		else socket.resetAndDestroy();
	}
}
