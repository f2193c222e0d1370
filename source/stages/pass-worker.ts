/**
 * The thread behind pass-thread.ts. Reads block, and so do writes: it has nothing else to do. A process ends only with its threads,
 * so whatever writes into the pipe is ended before (child.ts sees to it).
 */
import {readSync, writevSync} from 'node:fs';
import {parentPort} from 'node:worker_threads';
import type {ChecksumAlgorithm} from '../core/formats.js';
import {afterBytes} from '../lib/pieces.js';
import {releaseMemory} from '../lib/release.js';
import {createSealer, type Seal} from './age/sealer.js';
import {chunkSize} from './age/stream.js';
import {MultiHash} from './hash.js';
import {facts, type Passed} from './pass-through.js';

export type Order = {
	readonly descriptor: number;
	readonly algorithms: readonly ChecksumAlgorithm[];
	readonly seal: Seal | undefined;
	/** Descriptors of the files, each at its beginning. */
	readonly plain: number | undefined;
	readonly cipher: number | undefined;
};

export type Answer =
	/** Written since the last time. */
	| {readonly type: 'bytes'; readonly plain: number; readonly cipher: number}
	| {readonly type: 'done'; readonly passed: Passed}
	| {
			readonly type: 'failed';
			readonly where: 'source' | 'plain' | 'cipher';
			readonly message: string;
			readonly code: string | undefined;
			readonly errno: number | undefined;
			readonly syscall: string | undefined;
	  };

/** The main thread is told after as many bytes, or milliseconds. */
const [tellBytes, tellAfter] = [1 << 20, 200];
/** Two chunks of age: one is sealed where it lies, and one write is for both. With more, pg_dump waits for us at its full pipe. */
const buffer = Buffer.allocUnsafeSlow(2 * chunkSize);
/** The sealer's, for all dumps of the thread: one for each would be garbage that V8 leaves for hours, as the heap here hardly grows. */
const pending = Buffer.allocUnsafeSlow(chunkSize);

parentPort?.on('message', (order: Order) => {
	let where: 'source' | 'plain' | 'cipher' = 'source';
	try {
		const passed = pass(order, now => (where = now));
		answer({type: 'done', passed});
	} catch (error) {
		const {message, code, errno, syscall} = error as NodeJS.ErrnoException;
		answer({type: 'failed', where, message, code, errno, syscall});
	}
});

function pass(order: Order, at: (where: 'source' | 'plain' | 'cipher') => void): Passed {
	const {descriptor, algorithms, seal, plain, cipher} = order;
	const [plainHash, cipherHash] = [new MultiHash(algorithms), new MultiHash(algorithms)];
	const sealer = seal && createSealer(seal.key, pending);
	let told = {plain: 0, cipher: 0, time: performance.now()};
	const tell = () => {
		answer({type: 'bytes', plain: plainHash.bytes - told.plain, cipher: cipherHash.bytes - told.cipher});
		told = {plain: plainHash.bytes, cipher: cipherHash.bytes, time: performance.now()};
	};
	const write = (pieces: readonly Uint8Array[]) => {
		at('cipher');
		for (const piece of pieces) cipherHash.update(piece);
		if (cipher !== undefined) writeFully(cipher, pieces);
		releaseMemory(pieces);
	};
	if (seal) write([seal.header]);
	for (;;) {
		at('source');
		const chunk = readFully(descriptor);
		if (chunk.length === 0) break;
		plainHash.update(chunk);
		at('plain');
		if (plain !== undefined) writeFully(plain, [chunk]);
		if (sealer) write(sealer.update(chunk));
		if (plainHash.bytes - told.plain >= tellBytes || performance.now() - told.time >= tellAfter) tell();
	}
	if (sealer) write(sealer.final());
	tell();
	return {plain: facts(plainHash), cipher: facts(cipherHash)};
}

/** A whole buffer, or what there is until the end: valid until the next. */
function readFully(descriptor: number): Uint8Array {
	let length = 0;
	while (length < buffer.length) {
		const bytes = readSync(descriptor, buffer, length, buffer.length - length, null);
		if (bytes === 0) break;
		length += bytes;
	}
	return buffer.subarray(0, length);
}

function writeFully(descriptor: number, pieces: readonly Uint8Array[]): void {
	for (let rest = pieces; rest.length > 0;) rest = afterBytes(rest, writevSync(descriptor, rest));
}

function answer(message: Answer): void {
	parentPort?.postMessage(message);
}
