/** What verification compares a file with: its manifest, checksum files beside it and beside its dump; and what it says it did. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {after, test} from 'node:test';
import type {NewEvent} from '../../source/core/events.js';
import {runVerify} from '../../source/restore/verify.js';
import {runContext} from '../helpers/run-context.js';

const root = mkdtempSync(join(tmpdir(), 'pgb-verify-'));
after(() => rmSync(root, {recursive: true, force: true}));

const time = '2026-01-02T03:04:05Z';
const plain = '-- some text\n--\n-- PostgreSQL database dump complete\n--\n';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');

type Files = Readonly<Record<string, string>>;

async function verify(files: Files, patterns: readonly string[] = []) {
	const directory = mkdtempSync(join(root, 'b-'));
	for (const [name, content] of Object.entries(files)) {
		mkdirSync(dirname(join(directory, name)), {recursive: true});
		writeFileSync(join(directory, name), content);
	}
	const run = await runContext(['-b', directory, '--verify', 'here', ...patterns]);
	const result = await runVerify(run, 'backup');
	return {code: result.exitCode, message: result.error?.message ?? '', told: told(run.events)};
}

function told(events: readonly NewEvent[]): string {
	return events
		.flatMap(event => {
			if (event.type === 'log') return [event.text];
			return event.type === 'job.result'
				? [`${event.job.slice('verify:'.length)} ${event.result}: ${event.detail}`]
				: [];
		})
		.join('\n');
}

function manifest(files: readonly object[]): Files {
	return {
		[`pg_back_${time}.manifest.json`]: JSON.stringify({
			...{schema: 1, runId: 'r', outcome: 'complete', start: time, end: time, host: 'h', version: '3.0.0'},
			...{server: {version: '15.1'}, tools: {}, options: {}, databases: ['a'], failed: [], files},
		}),
	};
}
const entry = (path: string, content: string, more: object = {}) => ({
	...{path, role: 'dump', database: 'a', time, verified: 'hash', shipped: []},
	...{size: content.length, sha256: sha256(content), ...more},
});

const name = `a_${time}.sql`;

test('a plain dump: by its manifest, by checksum files, or by nothing, and it says which', async () => {
	const bare = await verify({[name]: plain});
	assert.deepEqual([bare.code, bare.told], [0, `${name} verified: no checksum recorded, read to its closing line`]);
	const known = await verify({
		[name]: plain,
		...manifest([entry(name, plain)]),
		[`${name}.sha1`]: `${sha1(plain)}  ${name}\n`,
	});
	assert.equal(known.code, 0, known.message);
	assert.equal(
		known.told,
		`${name} verified: sha256 of the manifest and sha1 of ${name}.sha1 verified, read to its closing line`,
	);
});

test('every way to be another one than it was is damage, exit 17', async () => {
	const other = plain.replace('some', 'same');
	for (const [files, words] of [
		[{[name]: other, ...manifest([entry(name, plain)])}, /its sha256 does not match the manifest of its run/],
		[{[name]: `${plain}x`, ...manifest([entry(name, plain)])}, /has \d+ bytes instead of the \d+ in its manifest/],
		[{[name]: other, [`${name}.sha1`]: `${sha1(plain)}  ${name}\n`}, /its sha1 does not match a_.*\.sql\.sha1/],
		[{[name]: plain.slice(0, -30)}, /the closing line of the dump is missing/],
		[{...manifest([entry(name, plain)])}, /is missing: the manifest of its run names it/],
	] as const) {
		const {code, message} = await verify(files);
		assert.equal(code, 17, message);
		assert.match(message, words);
	}
});

test('a damaged manifest is damage, unless only some dumps are asked for', async () => {
	const path = `pg_back_${time}.manifest.json`;
	const text = String(manifest([entry(name, plain)])[path]);
	for (const damaged of [
		'',
		text.slice(0, -1),
		text.replace('"size"', '"s1ze"'),
		text.replace('"schema":1', '"schema":x'),
	]) {
		const all = await verify({[name]: plain, [path]: damaged});
		assert.equal(all.code, 17, damaged);
		assert.match(all.message, /manifest .*pg_back_\S+\.manifest\.json/);
		assert.equal((await verify({[name]: plain, [path]: damaged}, [name])).code, 0);
	}
});

test('what was uploaded and removed here is not missed here; nothing to verify is an error', async () => {
	const shipped = entry(name, plain, {shipped: [{location: 's3://b/', key: name, checked: 'size'}]});
	const other = `b_${time}.sql`;
	assert.deepEqual((await verify({...manifest([shipped]), [other]: plain})).code, 0);
	for (const files of [{}, manifest([shipped])])
		await assert.rejects(verify(files), {exitCode: 1, message: /^no dump to verify at .*: searched 0 files$/});
});

test('what a purge removed is not missed while a newer dump is here; a lost newest dump is', async () => {
	const newer = 'a_2026-11-23T04:00:00Z.sql';
	const other = `b_${time}.sql`;
	const both = manifest([entry(name, plain), entry(other, plain)]);
	const purged = await verify({...both, [other]: plain, [newer]: plain});
	assert.equal(purged.code, 0, purged.message);
	assert.equal((await verify({...both, [other]: plain, [newer]: ''}, ['b', newer])).code, 17, 'an empty file');
	const lost = await verify({...both, [other]: plain});
	assert.equal(lost.code, 17);
	assert.match(lost.message, /a_\S+ is missing/);
	const named = await verify({...both, [other]: plain, [newer]: plain}, [name, other]);
	assert.equal(named.code, 17, 'asked for by its name');
});

test('patterns choose; the others may be as broken as they are', async () => {
	const files = {[name]: plain, [`b_${time}.sql`]: 'cut'};
	assert.equal((await verify(files)).code, 17);
	assert.equal((await verify(files, ['a_*'])).code, 0);
	assert.equal((await verify(files, ['a'])).code, 0, 'the name of a database');
	assert.equal((await verify(files, ['b'])).code, 17);
	await assert.rejects(verify(files, ['c']), {exitCode: 1, message: /matches c: searched 2 files/});
	const some = await verify(files, ['a', 'c']);
	assert.deepEqual([some.code, /matches c: searched 2 files/.test(some.message)], [1, true], some.told);
});

test('a directory dump: each member, one list for all, none missing', async () => {
	const dump = `a_${time}.d`;
	const members = {'toc.dat': 'PGDMP toc', '1.dat': 'rows'};
	const files = Object.fromEntries(Object.entries(members).map(([member, text]) => [`${dump}/${member}`, text]));
	const list = Object.entries(files)
		.map(([path, text]) => `${sha256(text)} *${path}\n`)
		.join('');
	const facts = manifest([
		{
			...{path: dump, role: 'dump', database: 'a', time, verified: 'hash', shipped: [], size: 13, directory: true},
			members: Object.entries(members).map(([path, text]) => ({path, size: text.length, sha256: sha256(text)})),
		},
	]);
	// Digests come before pg_restore, which would refuse these members whatever they hold.
	const codes = async (changed: Files) =>
		(await verify({...files, [`${dump}.sha256`]: list, ...facts, ...changed})).message;
	assert.match(await codes({[`${dump}/1.dat`]: 'ruws'}), /1\.dat is damaged: its sha256 does not match the manifest/);
	assert.match(await codes({[`${dump}/1.dat`]: 'rowss'}), /1\.dat has 5 bytes instead of the 4 in its manifest/);
	assert.match(await codes({}), /pg_restore cannot read it/);
	const {[`${dump}/1.dat`]: _, ...rest} = files;
	assert.match((await verify({...rest, ...facts})).message, /1\.dat is missing/);
	assert.match((await verify({[`${dump}/1.dat`]: 'rows'})).message, /has no toc\.dat/);
	const wrong = await verify({...files, [`${dump}.sha256`]: list.replace(sha256('rows'), sha256('other'))});
	assert.match(wrong.message, /1\.dat is damaged: its sha256 does not match a_.*\.d\.sha256/);
});
