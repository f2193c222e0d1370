/** What makes ssh2 swift at many large packets, done to a connection from outside: nothing of its protocol changes. */
import {createSecretKey} from 'node:crypto';
import {connect, type Socket, type TcpNetConnectOpts} from 'node:net';

/**
 * A socket whose writes of one turn leave in one system call: ssh2 writes the length, the body and the seal of every packet one by
 * one, and a server woken by four bytes has nothing to do yet.
 */
export function connectGathering(options: TcpNetConnectOpts): Socket {
	const socket = connect(options);
	const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
	let gathering = false;
	const send = (): void => {
		gathering = false;
		socket.uncork();
	};
	socket.write = (...args: unknown[]) => {
		if (!gathering) {
			gathering = true;
			socket.cork();
			process.nextTick(send);
		}
		return write(...args);
	};
	return socket;
}

/** What ssh2 keeps of its keys with AES-GCM; with other ciphers, or in another version of it, they are not there. */
type Protocol = {
	readonly _cipher?: {_encKey?: unknown};
	readonly _decipher?: {_decipherKey?: unknown};
};

/**
 * ssh2 makes a new AES-GCM cipher for every packet. Given the key as bytes, node:crypto finds out by two exceptions, each with a
 * stack, that it is no key object; given a key object it is several times as fast (a quarter of all time of an upload). To be
 * called after every exchange of keys. Returns how many of the two keys it has replaced.
 */
export function keepKeyObjects(protocol: unknown): number {
	const {_cipher: cipher, _decipher: decipher} = (protocol ?? {}) as Protocol;
	let replaced = 0;
	if (Buffer.isBuffer(cipher?._encKey)) {
		cipher._encKey = createSecretKey(cipher._encKey);
		replaced++;
	}
	if (Buffer.isBuffer(decipher?._decipherKey)) {
		decipher._decipherKey = createSecretKey(decipher._decipherKey);
		replaced++;
	}
	return replaced;
}
