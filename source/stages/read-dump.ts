/** Reads a dump to its end, without restoring it. */
import {pipeline} from 'node:stream/promises';
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {drain, releaseDisposable} from '../lib/release.js';
import {type ChildResult, describeEnd, firstError, startChild, writeInput} from '../process/child.js';
import {hasClosingLine} from './output-check.js';
import {checkedTar} from './tar.js';

export type VerifyTools = {
	/** pg_restore; without it archives are only hashed. */
	readonly pgRestore: string | undefined;
	readonly env: Environment;
	readonly signal: AbortSignal;
	/** Milliseconds without progress after which pg_restore is killed; it loops forever on a truncated tar archive. */
	readonly stallTimeout: number;
};

export type DumpKind = 'archive' | 'tar' | 'plain' | 'gzip' | 'zstd' | 'other';

/** Returns the kind of content for a suffix. */
export function dumpKind(suffix: string): DumpKind {
	if (suffix === 'dump') return 'archive';
	if (suffix === 'tar') return 'tar';
	if (suffix === 'sql.gz') return 'gzip';
	if (suffix === 'sql.zst') return 'zstd';
	return suffix === 'sql' ? 'plain' : 'other';
}

/**
 * Reads the plain bytes of a dump to their end, and returns for people how they were checked. Throws CORRUPT. The whole
 * archive is read, because `pg_restore -l` accepts a truncated one.
 */
export async function readDump(source: AsyncIterable<Uint8Array>, kind: DumpKind, tools: VerifyTools): Promise<string> {
	switch (kind) {
		case 'archive':
			if (tools.pgRestore !== undefined) return readArchive(source, tools.pgRestore, tools);
			await drain(source);
			return 'read';
		case 'tar':
			return readDump(checkedTar(source), 'archive', tools);
		case 'gzip':
		case 'zstd':
			return readPlain(decompressed(source, kind));
		case 'plain':
			return readPlain(source);
		case 'other':
			await drain(source);
			return 'read';
	}
}

/** Bytes that are decompressed at once: with Node's 16 KiB, most of the time is spent between the pieces. */
const chunkSize = 128 << 10;

/** Throws CORRUPT. */
export async function* decompressed(
	source: AsyncIterable<Uint8Array>,
	kind: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array> {
	const {createGunzip, createZstdDecompress} = process.getBuiltinModule('node:zlib'); // most runs decompress nothing
	const stream = kind === 'gzip' ? createGunzip({chunkSize}) : createZstdDecompress({chunkSize});
	// Errors of either side are thrown by the stream that is read.
	const feeding = pipeline(source, stream).catch(() => undefined);
	try {
		for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk;
		await feeding;
	} catch (error) {
		if (error instanceof PgBackError) throw error; // an error of the source
		throw new PgBackError('CORRUPT', `the ${kind} file is damaged or truncated`, {cause: error});
	}
}

/** pg_dump and pg_dumpall end their output with a comment that says so. */
async function readPlain(source: AsyncIterable<Uint8Array>): Promise<string> {
	let tail = Buffer.alloc(0);
	for await (const chunk of source) {
		tail = Buffer.from(Buffer.concat([tail, chunk.subarray(-512)]).subarray(-512));
		releaseDisposable(chunk);
	}
	if (!hasClosingLine(tail.toString('latin1'))) {
		throw new PgBackError('CORRUPT', 'the closing line of the dump is missing');
	}
	return 'read to its closing line';
}

async function readArchive(source: AsyncIterable<Uint8Array>, pgRestore: string, tools: VerifyTools): Promise<string> {
	const inner = new AbortController();
	const child = startChild({
		command: pgRestore,
		args: ['-f', '/dev/null'],
		env: tools.env,
		stdin: 'pipe',
		stderr: 'messages',
		signal: AbortSignal.any([tools.signal, inner.signal]),
	});
	let waitingSince: number | undefined; // for pg_restore, not for the source
	const watch = setInterval(() => {
		if (performance.now() - (waitingSince ?? Infinity) > tools.stallTimeout) inner.abort(stalled(tools.stallTimeout));
	}, watchInterval(tools));
	try {
		const {stdin} = child;
		if (!stdin) throw new PgBackError('BUG', 'pg_restore has no standard input');
		stdin.on('error', () => undefined); // pg_restore exited early: its exit status gives the reason
		for await (const chunk of source) {
			if (stdin.destroyed) continue; // it has read enough, or failed; the rest is still hashed
			waitingSince = performance.now();
			await writeInput(stdin, chunk);
			releaseDisposable(chunk);
			waitingSince = undefined;
		}
		stdin.end();
		waitingSince = performance.now();
		const result = await child.done;
		if (result.exitCode !== 0) throw unreadable(result);
		return 'read by pg_restore';
	} catch (error) {
		inner.abort(error);
		await child.done.catch(() => undefined); // killed on purpose
		throw error;
	} finally {
		clearInterval(watch);
	}
}

/** Reads a directory dump at `path`. pg_restore prints the dump as it reads it, which shows that it has not stalled. */
export async function readDirectoryDump(path: string, tools: VerifyTools): Promise<string> {
	if (tools.pgRestore === undefined) return 'read';
	const inner = new AbortController();
	const signal = AbortSignal.any([tools.signal, inner.signal]);
	const child = startChild({
		command: tools.pgRestore,
		args: ['-f', '-', '--', path],
		env: tools.env,
		signal,
		stdout: 'pipe',
		stderr: 'messages',
	});
	let last = performance.now();
	child.stdout?.on('data', () => (last = performance.now()));
	const watch = setInterval(() => {
		if (performance.now() - last > tools.stallTimeout) inner.abort(stalled(tools.stallTimeout));
	}, watchInterval(tools));
	try {
		const result = await child.done;
		if (result.exitCode !== 0) throw unreadable(result);
		return 'read by pg_restore';
	} finally {
		clearInterval(watch);
	}
}

function unreadable(result: ChildResult): PgBackError {
	const reason = firstError(result.stderr) ?? describeEnd(result);
	return new PgBackError('CORRUPT', `pg_restore cannot read it: ${reason}`, {output: result.stderr});
}

function watchInterval({stallTimeout}: VerifyTools): number {
	return Math.min(1000, stallTimeout / 4);
}

function stalled(milliseconds: number): PgBackError {
	return new PgBackError('CORRUPT', `pg_restore made no progress for ${Math.round(milliseconds / 1000)} s`);
}
