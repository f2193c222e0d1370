import assert from 'node:assert/strict';
import {test} from 'node:test';
import {levelOf, methodOf, parseCompression} from '../../source/lib/compression.js';

test('levels as ever, methods as pg_dump 16 takes them, and auto', () => {
	const good: readonly (readonly [string, number | string])[] = [
		['-1', -1],
		['0', 0],
		['9', 9],
		['0x5', 5],
		['auto', 'auto'],
		[' ZSTD:3 ', 'zstd:3'],
		['lz4', 'lz4'],
		['none', 'none'],
		['zstd:-5', 'zstd:-5'],
		// pg_dump takes a bare level only alone.
		['zstd:3,long', 'zstd:level=3,long'],
		['gzip:6,long', 'gzip:level=6,long'],
		['zstd:level=3,workers=2,long=off', 'zstd:level=3,workers=2,long=off'],
	];
	for (const [text, value] of good) assert.deepEqual(parseCompression(text), {value}, text);
	for (const text of ['10', '-2', '', 'bzip2', 'zstd:', 'zstd:x', 'zstd:3,', 'gzip 6', 'zstd;3', 'lz4:level', '6.5']) {
		assert.ok('problem' in parseCompression(text), text);
	}
});

test('what a text means', () => {
	assert.deepEqual(
		[methodOf(-1), methodOf(0), methodOf(6), methodOf('auto'), methodOf('zstd:level=3,long')],
		[undefined, 'none', 'gzip', undefined, 'zstd'],
	);
	assert.deepEqual([levelOf('gzip:6'), levelOf('zstd:long,level=-5'), levelOf('lz4')], [6, -5, undefined]);
});
