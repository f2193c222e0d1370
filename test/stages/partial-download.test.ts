import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {
	chmodSync,
	linkSync,
	readdirSync,
	readFileSync,
	renameSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {
	downloadPartPattern,
	downloadRecordPath,
	openPartialDownload,
	type PartialDownload,
} from '../../source/stages/partial-download.js';
import {scratchDirectory} from '../helpers/program.js';

const bytes = randomBytes(3_000_000);

function place() {
	const directory = scratchDirectory('partial');
	const options = {
		path: join(directory, 'a.dump'),
		location: 's3://bucket/',
		key: 'a.dump',
		size: 5_000_000,
		run: 'abcdef',
		mode: 0o600,
		algorithms: [],
		signal: new AbortController().signal,
	} as const;
	const record = downloadRecordPath(options);
	return {directory, options, record, part: record.replace(/json$/, 'part')};
}

async function receiveSome(partial: PartialDownload): Promise<void> {
	await partial.setVersion('v1');
	await partial.handle.writeFile(bytes);
	partial.hash.update(bytes);
	await partial.wrote();
	await partial.handle.close();
}

async function interrupted() {
	const found = place();
	const partial = await openPartialDownload(found.options);
	await receiveSome(partial);
	assert.equal(await partial.keep(), bytes.length);
	return found;
}

async function closed(partial: PartialDownload): Promise<PartialDownload> {
	await partial.handle.close();
	return partial;
}

describe('a partial download', () => {
	test('continues with its bytes, their checksum and the version of their object', async () => {
		const {options, directory} = await interrupted();
		let read = 0;
		const partial = await closed(await openPartialDownload({...options, onRead: length => (read += length)}));
		assert.deepEqual(
			[partial.resumedFrom, partial.version, partial.problem, read],
			[bytes.length, 'v1', undefined, bytes.length],
		);
		assert.ok(readdirSync(directory).every(name => downloadPartPattern.test(name)));
		await partial.discard();
		assert.deepEqual(readdirSync(directory), []);
	});

	test('without a version is not kept', async () => {
		const {options, directory} = place();
		const partial = await openPartialDownload(options);
		await partial.handle.writeFile(bytes);
		partial.hash.update(bytes);
		await closed(partial);
		assert.equal(await partial.keep(), 0);
		assert.deepEqual(readdirSync(directory), []);
	});

	test('loses what a failed write left after the last confirmed one', async () => {
		const {options, part} = place();
		const partial = await openPartialDownload(options);
		await partial.setVersion('v1');
		for (const length of [2_000_000, 500_000, 300_000]) {
			await partial.handle.writeFile(bytes.subarray(partial.hash.bytes, partial.hash.bytes + length));
			partial.hash.update(bytes.subarray(partial.hash.bytes, partial.hash.bytes + length));
			await partial.wrote();
		}
		await closed(partial);
		truncateSync(part, 2_600_000); // the third write was cut
		assert.equal(await partial.keep(), 2_000_000);
		assert.equal((await closed(await openPartialDownload(options))).resumedFrom, 2_000_000);
	});

	const distrusted: readonly {
		readonly what: string;
		readonly change: (paths: {readonly record: string; readonly part: string}) => void;
		readonly problem: RegExp;
	}[] = [
		{what: 'with other bytes', change: ({part}) => writeFileSync(part, randomBytes(bytes.length)), problem: /changed/},
		{what: 'that is shorter', change: ({part}) => truncateSync(part, 1000), problem: /only 1000 of 3000000 bytes/},
		{what: 'that others can read', change: ({part}) => chmodSync(part, 0o644), problem: /mode 0644/},
		{what: 'with a record that others can write', change: ({record}) => chmodSync(record, 0o622), problem: /mode 0622/},
		{what: 'with a second name', change: ({part}) => linkSync(part, `${part}.2`), problem: /hard link/},
		{
			what: 'that is a symbolic link',
			change({part}) {
				renameSync(part, `${part}.2`);
				symlinkSync(`${part}.2`, part);
			},
			problem: /ELOOP/,
		},
		{what: 'with a torn record', change: ({record}) => truncateSync(record, 20), problem: /record is damaged/},
		{
			what: 'of another object',
			change: ({record}) => writeFileSync(record, readFileSync(record, 'utf8').replace('a.dump', 'b.dump')),
			problem: /another file/,
		},
		{
			what: 'of an object with another size',
			change: ({record}) => writeFileSync(record, readFileSync(record, 'utf8').replace('5000000', '5000001')),
			problem: /replaced/,
		},
	];
	for (const {what, change, problem} of distrusted) {
		test(`${what} is not used`, async () => {
			const {options, ...paths} = await interrupted();
			change(paths);
			const partial = await closed(await openPartialDownload(options));
			assert.match(partial.problem ?? '', problem);
			assert.deepEqual([partial.resumedFrom, partial.version], [0, undefined]);
			assert.equal(readFileSync(paths.part).length, 0);
		});
	}
});
