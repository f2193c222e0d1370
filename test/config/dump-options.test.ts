import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, describe, test} from 'node:test';
import {parseCommandLine} from '../../source/cli/parse.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import {readDumpOptions} from '../../source/config/dump-options.js';

const root = mkdtempSync('/tmp/pgb-dump-options-');
after(() => rmSync(root, {recursive: true, force: true}));

async function load(content: string, args: readonly string[] = []) {
	const file = join(root, 'pg_back.conf');
	writeFileSync(file, content);
	return loadConfiguration({commandLine: await parseCommandLine(['-c', file, ...args]), env: {}});
}

describe('options of pg_dump that pg_back has a setting for', () => {
	const moved: readonly (readonly [
		words: string,
		format: string | undefined,
		rest: string,
		level?: number | string,
	])[] = [
		['-Fp', 'plain', ''],
		['-F p', 'plain', ''],
		['-F PLAIN -O', 'plain', '-O'],
		['--format=t', 'tar', ''],
		['--format directory -j 2', 'directory', '-j 2'],
		['--fo=c', 'custom', ''],
		['-vFp', 'plain', '-v'],
		['-Fp -Fc', 'custom', ''],
		['-O -Z 5 -x', undefined, '-O -x', 5],
		['-Z0', undefined, '', 0],
		['--compress=zstd:3', undefined, '', 'zstd:3'],
		['--com 1', undefined, '', 1],
		['-xZ9', undefined, '-x', 9],
	];
	for (const [words, format, rest, level] of moved) {
		test(`${words} is moved`, () => {
			const {value} = readDumpOptions(words.split(' '));
			assert.deepEqual([value?.format, value?.words.join(' '), value?.compression], [format, rest, level]);
		});
	}

	const kept = [
		'-O -x --no-comments --enable-row-security',
		'-j 4 --lock-wait-timeout=5s',
		'-T -Fp -t -fx',
		'--table -Fp',
		'-nfoo -NFp',
		'--filter=x --no-password --no-publications -w',
		'--snapshot -d',
		'-E UTF8 -e hstore --extension x',
		'--use-set-session-authorization --disable-triggers --data-only --column-inserts --clean --create',
	];
	for (const words of kept) {
		test(`${words} is passed on`, () => {
			assert.deepEqual(readDumpOptions(words.split(' ')), {value: {words: words.split(' ')}});
		});
	}

	const refused: readonly (readonly [words: string, problem: RegExp])[] = [
		['-f /tmp/x', /^-f cannot be used: pg_back decides where the dump is written$/],
		['-vf/tmp/x', /^-f cannot/],
		['--file=/tmp/x', /^--file cannot/],
		['--fi /tmp/x', /^--fi cannot/],
		['-d other', /^-d cannot be used: pg_back decides which database/],
		['--dbname=other', /^--dbname cannot/],
		['-h db2', /^-h cannot be used: use host$/],
		['--port 1', /^--port cannot/],
		['-Upostgres', /^-U cannot be used: use user$/],
		['-vW', /^-W cannot/],
		['--password', /^--password cannot/],
		['-F', /^-F has no value$/],
		['-Fx', /^"x" is not a format of pg_dump$/],
		['-Z nine', /is not a compression setting/],
		['-O -- app', /^-- cannot be used/],
	];
	for (const [words, problem] of refused)
		test(`${words} is refused`, () => assert.match(readDumpOptions(words.split(' ')).problem ?? '', problem));
});

test('a format in pg_dump_options counts, in each section for itself, and is reported', async () => {
	const configuration = await load(
		'format = custom\npg_dump_options = -Fp -O\n[a]\npg_dump_options = -x\n[b]\nformat = tar\n[c]\npg_dump_options = -Z 3\n',
		['-Z', '1'],
	);
	const of = (name: string) => {
		const {format, compressLevel, pgDumpOptions} = configuration.forDatabase(name);
		return [format, compressLevel, ...pgDumpOptions];
	};
	assert.deepEqual(of('other'), ['plain', 1, '-O']);
	assert.deepEqual(of('a'), ['custom', 1, '-x']);
	assert.deepEqual(of('b'), ['plain', 1, '-O']);
	assert.deepEqual(of('c'), ['custom', 3]);
	assert.equal(configuration.settings.format, 'plain');
	assert.deepEqual(configuration.warnings, [
		'pg_dump_options determines format: format = plain is used; set it there instead',
		'pg_dump_options determines compress_level: compress_level = 3 is used; set it there instead',
	]);
});

test('a contradiction is reported with its place, and once if the sections inherit it', async () => {
	await assert.rejects(load('pg_dump_options = -f x\n[a]\nformat = tar\n[b]\npg_dump_options = -d y\n'), {
		code: 'CONFIG',
		message: /:1: pg_dump_options: -f cannot be used[^\n]*\n?.*pg_dump_options: b: -d cannot be used/s,
	});
	await assert.rejects(
		load('format = custom\nlocal_copy = no\nupload = local\nlocal_directory = /x\npg_dump_options = -Fd\n'),
		{
			message: /local_copy: no cannot be used with format = directory/,
		},
	);
});
