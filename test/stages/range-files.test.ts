/** The files of divided tables: what psql prints, written in every way, read by the programs that restore it. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {zstdDecompressSync} from 'node:zlib';
import fc from 'fast-check';
import type {CopyReader} from '../../source/postgres/copy-session.js';
import {longestState} from '../../source/postgres/copy-state.js';
import {takePipe} from '../../source/process/pipes.js';
import {blockSize, copyBlocks} from '../../source/stages/copy-blocks.js';
import type {MemberCompression} from '../../source/stages/member-compression.js';
import {copyInWorker, countInWorker} from '../../source/stages/pipeline-thread.js';
import {writeRangeMember} from '../../source/stages/range-member.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-range-'));
after(() => rmSync(base, {recursive: true}));
const {signal} = new AbortController();
const mark = randomBytes(12).toString('hex');
const state = (rows: number, isError = false) => Buffer.from(`${mark}s ${isError} 00000 ${rows} ${mark}e\n`);
const newDirectory = () => mkdtempSync(join(base, 'x-'));

/** Rows like those of a COPY, with this number of bytes. */
function rowsOf(size: number): Buffer {
	const line = `${randomBytes(40).toString('hex')}\t\\N\tsome text\n`;
	const text = line.repeat(Math.ceil(size / line.length)).slice(0, size);
	return Buffer.from(size === 0 ? '' : `${text.slice(0, -1)}\n`);
}
const countIn = (bytes: Buffer) => bytes.filter(byte => byte === 0x0a).length;

/** Runs `use` with a descriptor that reads these bytes. */
async function reading<T>(bytes: Uint8Array, use: (descriptor: number) => T | Promise<T>): Promise<T> {
	const path = join(newDirectory(), 'output');
	writeFileSync(path, bytes);
	const descriptor = openSync(path, 'r');
	try {
		return await use(descriptor);
	} finally {
		closeSync(descriptor);
	}
}

/** A COPY as a session runs it, of which psql prints these bytes. */
function copying(bytes: Uint8Array, rows: number): (reader: CopyReader) => Promise<number> {
	return reader =>
		reading(bytes, async descriptor => {
			const found = await reader({descriptor, mark});
			if (!found) throw new Error('the session was lost');
			assert.equal(found.rows, rows);
			return found.rows;
		});
}

const ways: readonly (readonly [MemberCompression, string, (path: string) => Buffer])[] = [
	[{method: 'none', level: undefined}, '', path => readFileSync(path)],
	[{method: 'gzip', level: 6}, '.gz', path => execFileSync('gzip', ['-dc', path], {maxBuffer: 1 << 26})],
	[{method: 'gzip', level: undefined}, '.gz', path => execFileSync('gzip', ['-dc', path], {maxBuffer: 1 << 26})],
	[{method: 'zstd', level: 3}, '.zst', path => zstdDecompressSync(readFileSync(path))],
];

test('data of any size is found in blocks, and the state behind it', async () => {
	const check = async (size: number) => {
		const data = randomBytes(size);
		await reading(Buffer.concat([data, state(size)]), descriptor => {
			const blocks: Buffer[] = [];
			const source = copyBlocks(descriptor, mark);
			let next = source.next();
			for (; !next.done; next = source.next()) blocks.push(Buffer.from(next.value));
			assert.ok(Buffer.concat(blocks).equals(data));
			assert.deepEqual(next.value, {isError: false, rows: size});
		});
	};
	// Every way in which the end of a block divides the line with the state.
	const edges = [0, 1, blockSize, 2 * blockSize].flatMap(end => [end, end + 1, end + longestState]);
	for (let more = -state(1).length - 20; more <= 2; more++) edges.push(blockSize + longestState + more);
	for (const size of edges) await check(size);
	await fc.assert(fc.asyncProperty(fc.nat(3 * blockSize), check), {numRuns: 20});
});

test('output that ends before the state has none', async () => {
	for (const size of [0, 10, blockSize, 2 * blockSize + 300])
		for (const part of [0, 1, 30, state(1).length - 1])
			await reading(Buffer.concat([randomBytes(size), state(1).subarray(0, part)]), descriptor => {
				const source = copyBlocks(descriptor, mark);
				let next = source.next();
				while (!next.done) next = source.next();
				assert.equal(next.value, undefined);
			});
});

for (const [compression, suffix, read] of ways) {
	const name = `${compression.method}${compression.level ?? ''}`;
	test(`${name}: ranges of any size are written as pg_dump writes a table`, async () => {
		for (const size of [0, 1, 3000, blockSize - 5, blockSize, blockSize + 100, 3 * blockSize + 77_777]) {
			const directory = newDirectory();
			const path = join(directory, `table_1.dat${suffix}`);
			const data = rowsOf(size);
			let passed = 0;
			const rows = await writeRangeMember(copying(Buffer.concat([data, state(countIn(data))]), countIn(data)), {
				...{path, compression, run: 'abc123', signal},
				onBytes: bytes => (passed += bytes),
			});
			assert.deepEqual([rows, passed], [countIn(data), data.length]);
			assert.ok(read(path).equals(Buffer.concat([data, Buffer.from('\\.\n\n\n')])), String(size));
			assert.deepEqual(readdirSync(directory), [`table_1.dat${suffix}`]);
		}
	});

	test(`${name}: rows that are missing or too many leave no file`, async () => {
		const data = rowsOf(2 * blockSize);
		const rows = countIn(data);
		for (const reported of [rows - 1, rows + 1, 0]) {
			const directory = newDirectory();
			const path = join(directory, `table_1.dat${suffix}`);
			await assert.rejects(
				writeRangeMember(copying(Buffer.concat([data, state(reported)]), reported), {
					...{path, compression, run: 'abc123', signal, onBytes: () => undefined},
				}),
				{code: 'CORRUPT', message: `table_1.dat${suffix} was read back with ${rows} rows instead of ${reported}`},
			);
			assert.deepEqual(readdirSync(directory), []);
		}
	});

	test(`${name}: a file that was damaged on the disk is not read back`, async () => {
		const data = rowsOf(2 * blockSize);
		const directory = newDirectory();
		const path = join(directory, 'x');
		const file = openSync(path, 'w');
		const copied = await reading(Buffer.concat([data, state(countIn(data))]), descriptor =>
			copyInWorker({descriptor, mark, file, compression}, {path, signal, onBytes: () => undefined}),
		);
		closeSync(file);
		const {pieces} = copied;
		assert.equal(await countInWorker({path, pieces, compression}, signal), countIn(data));
		const written = readFileSync(path);
		const half = written.length >> 1;
		for (const damaged of [
			written.subarray(0, half),
			written.subarray(0, written.length - 5),
			Buffer.concat([written.subarray(0, half), written.subarray(half + 100)]),
			Buffer.alloc(0),
		]) {
			writeFileSync(path, damaged);
			const rows = await countInWorker({path, pieces, compression}, signal).catch(() => undefined);
			assert.notEqual(rows, countIn(data));
		}
	});

	test(`${name}: a full disk is the error of the file, and leaves none`, async () => {
		const data = rowsOf(2 * blockSize);
		const file = openSync('/dev/full', 'w');
		try {
			await assert.rejects(
				reading(Buffer.concat([data, state(countIn(data))]), descriptor =>
					copyInWorker({descriptor, mark, file, compression}, {path: '/b/x', signal, onBytes: () => undefined}),
				),
				{code: 'ENOSPC', syscall: 'write', path: '/b/x'},
			);
		} finally {
			closeSync(file);
		}
	});

	test(`${name}: a COPY that the server ends, or that is lost, leaves no file`, async () => {
		const data = rowsOf(blockSize + 5000);
		const directory = newDirectory();
		const options = {path: join(directory, 'x'), compression, run: 'abc123', signal, onBytes: () => undefined};
		await assert.rejects(writeRangeMember(copying(data, 0), options), /the session was lost/);
		await assert.rejects(
			writeRangeMember(
				reader =>
					reading(Buffer.concat([data, state(0, true)]), async descriptor => {
						assert.equal((await reader({descriptor, mark}))?.isError, true);
						throw new Error('the server says: no');
					}),
				options,
			),
			/the server says: no/,
		);
		assert.deepEqual(readdirSync(directory), []);
	});
}

test('canceled while it waits for the pipe: the reason, when the other end is closed', async () => {
	const pipe = await takePipe(process.env);
	const abort = new AbortController();
	const directory = newDirectory();
	let open = true;
	const close = () => {
		if (open) closeSync(pipe.writable);
		open = false;
	};
	try {
		writeSync(pipe.writable, rowsOf(10_000));
		// The session kills psql, which ends the pipe.
		abort.signal.addEventListener('abort', close);
		const writing = writeRangeMember(
			async reader => {
				const reads = reader({descriptor: pipe.readable, mark});
				setImmediate(() => abort.abort(new Error('stopped')));
				await reads;
				return 0;
			},
			{
				path: join(directory, 'x'),
				compression: {method: 'gzip', level: 6},
				run: 'abc123',
				signal: abort.signal,
				onBytes: () => undefined,
			},
		);
		await assert.rejects(writing, /^Error: stopped$/);
		assert.deepEqual(readdirSync(directory), []);
	} finally {
		close();
		closeSync(pipe.readable);
	}
});
