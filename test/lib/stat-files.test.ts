import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, describe, it} from 'node:test';
import {withStats} from '../../source/lib/stat-files.js';

describe('attributes of many files', () => {
	const directory = mkdtempSync(join(tmpdir(), 'pg_back-stat-files-'));
	after(() => rmSync(directory, {recursive: true}));
	const names = Array.from({length: 700}, (_, index) => `file-${index}`);
	for (const [index, name] of names.entries()) writeFileSync(join(directory, name), 'x'.repeat(index % 5));

	async function collect(
		entries: readonly string[],
		pathOf: (name: string) => string | undefined,
		into: (readonly [string, number | undefined])[] = [],
		options?: {readonly ignoreErrors?: boolean},
	): Promise<(readonly [string, number | undefined])[]> {
		for await (const found of withStats(entries, pathOf, options))
			into.push(...found.map(([name, stats]) => [name, stats?.size] as const));
		return into;
	}

	it('come in the order of the entries, without those that are missing or not asked for', async () => {
		const entries = [...names.slice(0, 300), 'missing', ...names.slice(300)];
		const found = await collect(entries, name => (name === 'file-3' ? undefined : join(directory, name)));
		const sizeOf = (name: string) =>
			name === 'missing' || name === 'file-3' ? undefined : Number(name.slice('file-'.length)) % 5;
		assert.deepEqual(
			found,
			entries.map(name => [name, sizeOf(name)]),
		);
		assert.deepEqual(await collect([], name => name), []);
		assert.deepEqual(await collect(['a'], () => undefined), [['a', undefined]]);
	});

	it('are those of a link itself', async () => {
		symlinkSync('nowhere', join(directory, 'link'));
		for await (const found of withStats(['link'], name => join(directory, name)))
			assert.equal(found[0]?.[1]?.isSymbolicLink(), true);
	});

	it('are followed by the error of the first file that cannot be asked for, in its turn', async () => {
		const entries = [...names.slice(0, 10), 'file-0/below', ...names.slice(10, 20)];
		const before: (readonly [string, number | undefined])[] = [];
		const pathOf = (name: string) => join(directory, name);
		await assert.rejects(collect(entries, pathOf, before), {code: 'ENOTDIR'});
		assert.deepEqual(
			before.map(([name]) => name),
			names.slice(0, 10),
		);
		const found = await collect(entries, pathOf, [], {ignoreErrors: true});
		assert.deepEqual(found[10], ['file-0/below', undefined]);
		assert.equal(found.length, 21);
	});
});
