/** Notices that a remote location takes and gives nothing, by the bytes of its connections and by attempts that fail. */
import {messageOf} from '../core/errors.js';

/** What is measured of a socket. */
type WatchedSocket = {
	readonly bytesRead: number;
	readonly bytesWritten: number;
	readonly destroyed: boolean;
};

export type Stall = {
	/** Milliseconds since the epoch. */
	readonly since: number;
	/** Why the last attempt failed; absent where nothing failed and nothing moves. */
	readonly reason?: string;
};

export type NetworkWatch = {
	readonly addSocket: (socket: WatchedSocket) => void;
	/** A transfer begins; the function that is returned ends it. While it waits for us it is not counted. */
	readonly begin: () => {readonly pause: () => void; readonly resume: () => void; readonly end: () => void};
	/** The service confirmed something. */
	readonly moved: () => void;
	/** An attempt at a transfer failed, and may be repeated. */
	readonly failed: (error: unknown) => void;
	/** Looks at the sockets; to be called about once a second. */
	readonly look: () => void;
};

/** Milliseconds without a byte after which it is said. */
const stallAfter = 10_000;

/** `tell` is called when a stall has lasted for ten seconds, and with undefined when it is over. `now` in milliseconds since the epoch. */
export function createNetworkWatch(now: () => number, tell: (stall: Stall | undefined) => void): NetworkWatch {
	const sockets = new Set<WatchedSocket>();
	let passed = 0;
	let active = 0;
	let movedAt = now();
	let failure: Stall | undefined;
	let told = false;
	const moved = () => {
		movedAt = now();
		failure = undefined;
	};
	const change = (by: number) => {
		if (active === 0 && by > 0) movedAt = now();
		active += by;
	};
	return {
		addSocket: socket => sockets.add(socket),
		begin() {
			let waits = false;
			change(1);
			return {
				pause() {
					if (!waits) change(-1);
					waits = true;
				},
				resume() {
					if (waits) change(1);
					waits = false;
				},
				end() {
					if (!waits) change(-1);
					waits = true;
				},
			};
		},
		moved,
		failed: error => (failure = {since: failure?.since ?? movedAt, reason: messageOf(error)}),
		look() {
			let bytes = 0;
			for (const socket of sockets) {
				bytes += bytesOf(socket);
				if (socket.destroyed) sockets.delete(socket);
			}
			// Connections that have ended take their bytes out of the sum: any change is a movement.
			if (bytes !== passed && failure === undefined) movedAt = now();
			passed = bytes;
			const isSilent = active > 0 && now() - movedAt >= stallAfter;
			const isFailing = failure !== undefined && now() - failure.since >= stallAfter;
			if (isSilent || isFailing) {
				if (!told) tell(failure ?? {since: movedAt});
				told = true;
			} else if (told && failure === undefined && now() - movedAt < stallAfter) {
				told = false;
				tell(undefined);
			}
		},
	};
}

/** What has left this process and what has arrived; a large write counts as the kernel takes it. */
function bytesOf(socket: WatchedSocket): number {
	const handle = (socket as {readonly _handle?: {readonly writeQueueSize?: number} | null})._handle;
	return socket.bytesRead + socket.bytesWritten - (handle?.writeQueueSize ?? 0);
}
