import assert from 'node:assert/strict';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {askPgDump, resolveCompression} from '../../source/backup/compression.js';
import type {PgBackError} from '../../source/core/errors.js';
import type {DumpFormat} from '../../source/core/formats.js';
import {realClientVersions} from '../helpers/cluster.js';
import {never} from '../helpers/postgres.js';

for (const [major, directory] of realClientVersions()) {
	const version = major * 10_000 + 1;
	const ask = askPgDump(
		{path: join(directory, 'pg_dump'), version},
		{PATH: process.env['PATH'], PGHOST: '/nowhere'},
		never,
	);
	const resolve = (compression: number | string, format: DumpFormat = 'custom') =>
		resolveCompression(compression, format, {version, ask});
	const refuses = (compression: string, pattern: RegExp, hint: RegExp, format?: DumpFormat) =>
		assert.rejects(
			resolve(compression, format),
			(error: PgBackError) => error.code === 'CONFIG' && pattern.test(error.message) && hint.test(error.hint ?? ''),
		);

	describe(`pg_dump ${major}`, () => {
		test('levels go through, -1 leaves it to pg_dump', async () => {
			assert.deepEqual([await resolve(-1), await resolve(0), await resolve(9, 'plain')], [undefined, '0', '9']);
		});

		test('auto is the best for the format', async () => {
			const formats = ['custom', 'directory', 'plain', 'tar'] as const;
			const chosen = await Promise.all(formats.map(format => resolve('auto', format)));
			assert.deepEqual(
				chosen,
				major >= 16 ? ['zstd:3', 'zstd:1', undefined, undefined] : [undefined, undefined, undefined, undefined],
			);
		});

		test('a method that it has, and one that it has not', async () => {
			if (major >= 16) {
				assert.deepEqual(
					[await resolve('zstd:3'), await resolve('lz4'), await resolve('zstd:level=3,long')],
					['zstd:3', 'lz4', 'zstd:level=3,long'],
				);
				await refuses('zstd:99', /between -131072 and 22/, /supports none, gzip, lz4, zstd/);
				await refuses('gzip:level=6,long', /long-distance/, /supports none, gzip/);
			} else {
				assert.deepEqual([await resolve('gzip:5'), await resolve('gzip'), await resolve('none')], ['5', '6', '0']);
				await refuses('zstd:3', new RegExp(`pg_dump ${major}\\S* does not support it`), /gzip:1 to gzip:9/);
			}
			if (major >= 16)
				assert.deepEqual([await resolve('zstd:3', 'plain'), await resolve('lz4', 'plain')], ['zstd:3', 'lz4']);
			else await refuses('zstd:3', /does not support it/, /gzip:1 to gzip:9/, 'plain');
		});
	});
}

test('a pg_dump that was built without zstd: auto leaves it alone, and the list lacks it', async () => {
	const ask = (compression: string) =>
		Promise.resolve(compression.startsWith('zstd') ? 'this build does not support compression with zstd' : undefined);
	assert.equal(await resolveCompression('auto', 'custom', {version: 170_000, ask}), undefined);
	await assert.rejects(resolveCompression('zstd', 'custom', {version: 170_000, ask}), {
		message: 'compress_level = zstd: this build does not support compression with zstd',
		hint: 'this pg_dump supports none, gzip, lz4 (with :LEVEL), 0 to 9, -1 and auto',
	});
});
