/**
 * The worker of pipeline-thread.ts. Reads and writes block, since it has nothing else to do. A process exits only when
 * its workers have exited, so every child that writes into the pipe is killed before (see child.ts).
 */
import {parentPort} from 'node:worker_threads';
import type {ChecksumAlgorithm} from '../core/formats.js';
import {readFully, writeFully} from '../lib/blocking-files.js';
import {releaseMemory} from '../lib/release.js';
import {createSealer, type Seal} from './age/sealer.js';
import {chunkSize} from './age/stream.js';
import {MultiHash} from './hash.js';
import {OutputCheck} from './output-check.js';
import {type PipelineResult, streamStats} from './pipeline.js';
import {type Copied, type CopyRequest, copyToFile, type CountRequest, countRows} from './range-worker.js';
import {
	flushFile,
	processSmallMember,
	type SmallMember,
	type SmallMemberResult,
	type SmallMemberSettings,
} from './small-members.js';

export type WorkerRequest = StreamRequest | MembersRequest | FlushRequest | CopyRequest | CountRequest;

export type StreamRequest = {
	readonly type: 'stream';
	readonly descriptor: number;
	readonly algorithms: readonly ChecksumAlgorithm[];
	readonly seal: Seal | undefined;
	/** Descriptors of the files, each at position 0. */
	readonly plain: number | undefined;
	readonly cipher: number | undefined;
	readonly isDump: boolean | undefined;
};

export type MembersRequest = {
	readonly type: 'members';
	readonly members: readonly SmallMember[];
	readonly settings: SmallMemberSettings;
};

export type FlushRequest = {readonly type: 'flush'; readonly paths: readonly string[]};

export type WorkerResponse =
	/** Bytes written since the last message. */
	| {readonly type: 'bytes'; readonly plain: number; readonly cipher: number}
	| {readonly type: 'done'; readonly result: PipelineResult}
	/** In the order of the members; shorter if the last one has changed. */
	| {readonly type: 'members'; readonly results: readonly SmallMemberResult[]}
	| {readonly type: 'flushed'}
	| {readonly type: 'copied'; readonly copied: Copied}
	| {readonly type: 'counted'; readonly rows: number}
	| {
			readonly type: 'failed';
			readonly where: Place;
			readonly path: string | undefined;
			readonly message: string;
			readonly code: string | undefined;
			readonly errno: number | undefined;
			readonly syscall: string | undefined;
	  };

/** The main thread is notified after this many bytes, or milliseconds. */
const [reportBytes, reportAfter] = [1 << 20, 200];
/**
 * Room for two chunks of age: one is encrypted in place, and one write outputs both. With a larger buffer, pg_dump
 * waits at a full pipe.
 */
const buffer = Buffer.allocUnsafeSlow(2 * chunkSize);
/**
 * The sealer's memory, reused for all dumps of the worker: a new one for each dump would be garbage that V8 keeps for
 * hours, because this heap hardly grows.
 */
const pending = Buffer.allocUnsafeSlow(chunkSize);

type Place = 'source' | 'plain' | 'cipher';

parentPort?.on('message', (request: WorkerRequest) => void work(request));

async function work(request: WorkerRequest): Promise<void> {
	let where: Place = 'source';
	const at = (now: Place) => (where = now);
	try {
		if (request.type === 'copy') {
			const onBytes = (plain: number) => respond({type: 'bytes', plain, cipher: 0});
			respond({type: 'copied', copied: await copyToFile(request, at, onBytes)});
		} else if (request.type === 'count') respond({type: 'counted', rows: await countRows(request)});
		else respond(answer(request, at));
	} catch (error) {
		const {message, code, errno, syscall, path} = error as NodeJS.ErrnoException;
		respond({type: 'failed', where, path, message, code, errno, syscall});
	}
}

function answer(request: StreamRequest | MembersRequest | FlushRequest, at: (where: Place) => void): WorkerResponse {
	if (request.type === 'stream') return {type: 'done', result: hashAndEncrypt(request, at)};
	if (request.type === 'flush') {
		for (const path of request.paths) flushFile(path);
		return {type: 'flushed'};
	}
	const results: SmallMemberResult[] = [];
	for (const member of request.members) {
		const result = processSmallMember(member, request.settings, pending);
		if (result === 'changed') break;
		results.push(result);
	}
	return {type: 'members', results};
}

function hashAndEncrypt(request: StreamRequest, at: (where: Place) => void): PipelineResult {
	const {descriptor, algorithms, seal, plain, cipher, isDump} = request;
	const check = isDump ? new OutputCheck() : undefined;
	const [plainHash, cipherHash] = [new MultiHash(algorithms), new MultiHash(algorithms)];
	const sealer = seal && createSealer(seal.key, pending);
	let reported = {plain: 0, cipher: 0, time: performance.now()};
	const report = () => {
		respond({type: 'bytes', plain: plainHash.bytes - reported.plain, cipher: cipherHash.bytes - reported.cipher});
		reported = {plain: plainHash.bytes, cipher: cipherHash.bytes, time: performance.now()};
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
		const chunk = readFully(descriptor, buffer); // valid until the next call
		if (chunk.length === 0) break;
		plainHash.update(chunk);
		check?.push(chunk);
		at('plain');
		if (plain !== undefined) writeFully(plain, [chunk]);
		if (sealer) write(sealer.update(chunk));
		if (plainHash.bytes - reported.plain >= reportBytes || performance.now() - reported.time >= reportAfter) report();
	}
	if (sealer) write(sealer.final());
	report();
	return {plain: streamStats(plainHash), cipher: streamStats(cipherHash), problem: check?.problem()};
}

function respond(message: WorkerResponse): void {
	parentPort?.postMessage(message);
}
