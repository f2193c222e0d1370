import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {checksumAlgorithms} from '../../source/core/formats.js';
import {parseTimestamp, timestampFormats} from '../../source/lib/time.js';
import {
	decodeDatabaseName,
	directoryFor,
	encodeDatabaseName,
	fileName,
	type FileSuffix,
	legacyDatabaseName,
	parseFileName,
	parsePath,
	type Subject,
	subjectTexts,
} from '../../source/retention/names.js';
import {cpuMilliseconds} from '../helpers/cpu.js';

/** Any name that PostgreSQL takes: 1 to 63 bytes of UTF-8 without NUL. */
const awkward = ['..', '-d', '/', 'a/b', 'a_b', '\n', '\r', '\t', '\u001B[2J', '\u202E', '\u2028', '\uFEFF', '😀', 'a=b', '*?[', '$(x)', '{dbname}', 'é', 'e\u0301', '%', '%41', '.hid', '_.hid', 'pg_globals', 'hba_file', 'pg_back', 'a_2026-01-01_00-00-00', "'", '"', '\\', ' ', 'a b', 'x.d', 'postgresql://x', '__proto__']; // prettier-ignore
const databaseName = fc
	.oneof(
		fc.string({unit: 'binary', minLength: 1, maxLength: 63}),
		fc.string({unit: fc.constantFrom('a', 'b', '_', '.', '-', '%', '/', ' ', '0'), minLength: 1, maxLength: 20}),
		fc.constantFrom(...awkward),
	)
	.filter(name => !name.includes('\0') && name.isWellFormed() && Buffer.byteLength(name) <= 63);
const subject: fc.Arbitrary<Subject> = fc.oneof(
	databaseName.map(name => ({kind: 'database' as const, name})),
	fc.constantFrom(
		{kind: 'globals' as const},
		{kind: 'settings' as const},
		{kind: 'hba' as const},
		{kind: 'ident' as const},
	),
);
const time = fc
	.date({min: new Date('1980-01-01'), max: new Date('2100-01-01'), noInvalidDate: true})
	.map(date => new Date(Math.floor(date.getTime() / 1000) * 1000));
const chain = fc
	.tuple(fc.constantFrom('', ...checksumAlgorithms), fc.boolean(), fc.boolean())
	.map(([sum, age, outer]) => `${sum && `.${sum}`}${age ? '.age' : ''}${age && outer && sum ? `.${sum}` : ''}`);

describe('the name of a file', () => {
	it('is read back as it was printed, for any database name', () => {
		const suffix = fc.constantFrom<FileSuffix>('sql', 'dump', 'tar', 'd', 'out', 'createdb.sql');
		fc.assert(
			fc.property(
				subject,
				time,
				fc.constantFrom(...timestampFormats),
				suffix,
				fc.constantFrom('gz', 'lz4', 'zst', undefined),
				chain,
				(about, when, timestampFormat, kind, compressed, tail) => {
					fc.pre(!(kind === 'd' && tail === '.age'));
					const path =
						fileName({
							directory: '/backup dir',
							subject: about,
							time: when,
							timestampFormat,
							suffix: kind,
							compressed,
						}) + tail;
					const parsed = parsePath(path);
					assert.ok(parsed);
					assert.deepEqual(parsed.subject, about);
					assert.equal(parsed.directory, '/backup dir/');
					assert.equal(parsed.suffix, kind === 'sql' && compressed ? `sql.${compressed}` : kind);
					assert.equal(parsed.encrypted, tail.includes('.age'));
					assert.equal(
						parsed.checksum,
						checksumAlgorithms.find(one => tail.includes(one)),
					);
					const ambiguous = timestampFormat === 'legacy' ? [0, 3_600_000] : [0];
					assert.ok(ambiguous.includes(Math.abs(parsed.time - when.getTime())));
					assert.ok(Buffer.byteLength(path.slice('/backup dir/'.length)) <= 255);
				},
			),
		);
	});

	it('has room for the longest suffix after the longest name', () => {
		const longest = fileName({
			directory: '',
			subject: {kind: 'database', name: '%'.repeat(63)},
			time: new Date(),
			timestampFormat: 'rfc3339',
			suffix: 'createdb.sql',
		});
		assert.ok(longest.replace(/Z\./, '+01:00.').length + '.sha512.age.sha512'.length <= 255);
	});

	it('stays as it was in 2.x for an ordinary name', () => {
		const when = new Date(2026, 0, 2, 3, 4, 5);
		const parts = {directory: 'x//{dbname}/../{dbname}/', time: when, timestampFormat: 'legacy' as const};
		assert.equal(
			fileName({...parts, subject: {kind: 'database', name: 'My_db-1.x'}, suffix: 'sql', compressed: 'gz'}),
			'x/My_db-1.x/My_db-1.x_2026-01-02_03-04-05.sql.gz',
		);
		assert.equal(
			fileName({...parts, subject: {kind: 'globals'}, suffix: 'sql'}),
			'x/pg_globals/pg_globals_2026-01-02_03-04-05.sql',
		);
		assert.equal(
			fileName({...parts, directory: '/', time: undefined, subject: {kind: 'database', name: 'b1'}, suffix: 'lock'}),
			'/b1.lock',
		);
		assert.equal(
			fileName({...parts, directory: '.', subject: {kind: 'run'}, suffix: 'manifest.json'}),
			'pg_back_2026-01-02_03-04-05.manifest.json',
		);
		assert.equal(directoryFor('/', {kind: 'hba'}), '/');
		assert.equal(directoryFor('/a/{dbname}', {kind: 'database', name: '../$&'}), '/a/%2E.%2F%24%26');
	});

	it('is not taken for ours unless all of it is', () => {
		const at = '2026-01-02T03:04:05Z';
		const foreign = [
			`b_${at}`, `b_${at}.`, `b_${at}.draft`, `b_${at}.dump.old`, `b_${at}.tar.gz`, `b_${at}.sql.gz.bak`, `b_${at}.sql.zst.bak`, `b_${at}.sql.zs`, `b_${at}.sql.bz2`, `b_${at}.dump.zst`, `b_${at}.dump.gz`, `b_${at}.createdb.sql.gz`,
			`b_${at}.DUMP`, `b_${at}.dump\n`, `b_${at}.sha256`, `b_${at}.dump.md5`, `b_${at}.dump.sha256.sha256`, `b_${at}.dump.age.age`, `b_${at}.d.age`,
			`b_${at}.dump/x`, `b_${at}.d/`, `b_${at}.d/../x`, `b_${at}.d//x`, `b_${at}.d.sha1/x`, `_${at}.dump`, `.b_${at}.dump`, `b${at}.dump`, `x/b_${at}.dump`,
			'b_2026-02-30T00:00:00Z.dump', 'b_2026-01-02T24:00:00Z.dump', 'b_2026-01-02T03:04:05+0100.dump', 'b_2026-01-02T03:04:05.5Z.dump', 'b_2026-01-02 03:04:05.dump',
			'b_2026-1-2_03-04-05.dump', 'b_2026-01-02_03-04-60.dump', `b_${at}.manifest.json`, `pg_back_${at}.manifest.json.age`, `pg_back_${at}.private.json`, '',
			`pg_back_${at}.proven.json.age`, `b.dump`, `.pg_back-abcdef-12345678.part`,
		]; // prettier-ignore
		for (const name of foreign) assert.equal(parseFileName(name), undefined, name);
		for (const name of [`pg_back_${at}.manifest.json`, `pg_back_${at}.private.json.age`, `pg_back_${at}.proven.json`]) {
			assert.equal(parseFileName(name)?.subject.kind, 'run', name);
		}
		assert.deepEqual(parseFileName(`pg_back_${at}.dump`)?.subject, {kind: 'database', name: 'pg_back'});
	});

	it('may be that of a member of a directory dump, at any depth of a path', () => {
		const member = parsePath('p/q.d/b_2026-01-02_03-04-05.d/sub/toc.dat.age');
		assert.deepEqual([member?.directory, member?.member, member?.encrypted], ['p/q.d/', 'sub/toc.dat.age', true]);
		assert.equal(parsePath('p/q.d/toc.dat'), undefined);
		assert.equal(parsePath('x_2026-01-02_03-04-05.d/b_2026-01-02_03-04-05.dump')?.subjectText, 'b');
	});

	it('is read in linear time, however long', () => {
		const long = [
			'_'.repeat(100_000), '_2026-01-02_03-04-05'.repeat(10_000), `b_2026-01-02_03-04-05${'.sha1.age'.repeat(10_000)}`, '.d/'.repeat(50_000), '%41'.repeat(50_000),
			`b_2026-01-02_03-04-05.d/${'x/'.repeat(50_000)}y`, 'b_2026-01-02_03-04-05.d/'.repeat(5000),
		]; // prettier-ignore
		const began = cpuMilliseconds();
		for (const name of long) {
			parsePath(name);
			decodeDatabaseName(name);
		}
		assert.ok(cpuMilliseconds() - began < 1500);
	});

	it('is read without an error, whatever it is', () => {
		const piece = fc.oneof(
			fc.string({unit: 'binary'}),
			fc.constantFrom('_', '2026-01-02_03-04-05', '.d/', '.dump', '.age', '.sha1', '%', '/', '..'),
		);
		fc.assert(
			fc.property(fc.array(piece), pieces => {
				const name = pieces.join('');
				const parsed = parsePath(name);
				if (parsed)
					assert.ok(
						parseTimestamp(parsed.timeText) === parsed.time && name.startsWith(parsed.directory + parsed.subjectText),
					);
			}),
		);
	});
});

describe('the encoding of database names', () => {
	it('gives each database a text of its own, safe as a file name, and back', () => {
		const texts = new Map<string, string>();
		fc.assert(
			fc.property(databaseName, name => {
				const text = encodeDatabaseName(name);
				assert.match(text, /^(?:[\w-]|%[0-9A-F]{2})(?:[\w.-]|%[0-9A-F]{2})*$/);
				assert.equal(decodeDatabaseName(text), name);
				assert.ok(text.length <= 189);
				assert.ok(!['pg_globals', 'pg_settings', 'hba_file', 'ident_file'].includes(text));
				assert.ok((texts.get(text) ?? name) === name);
				texts.set(text, name);
			}),
			{numRuns: 2000},
		);
		assert.equal(new Set(awkward.map(encodeDatabaseName)).size, awkward.length);
		assert.equal(encodeDatabaseName('pg_globals'), '%70g_globals');
		assert.equal(encodeDatabaseName('.-.'), '%2E-.');
		assert.equal(encodeDatabaseName('-x'), '-x');
		assert.equal(encodeDatabaseName(decodeDatabaseName('b%F6s') ?? ''), 'b%F6s', 'a byte that is not UTF-8');
		assert.equal(decodeDatabaseName('%2Dx'), '-x', 'as earlier versions wrote it');
	});

	it('reads nothing that it does not write', () => {
		for (const text of ['', '%', '%4', '%41', '%c3%A9', 'a b', 'é', '.a', 'pg_globals', 'a/b', '%70g_global']) {
			assert.equal(decodeDatabaseName(text), undefined, text);
		}
	});

	it('goes along with the one of 2.x where no two databases may mean the same file', () => {
		const texts = (name: string, ...others: string[]) => subjectTexts({kind: 'database', name}, [name, ...others]);
		assert.deepEqual(texts('b1'), ['b1']);
		assert.deepEqual(texts('my db'), ['my%20db', 'my db']);
		assert.deepEqual(texts('.hid'), ['%2Ehid', '_.hid']);
		assert.deepEqual(texts('.hid', '_.hid'), ['%2Ehid']);
		assert.deepEqual(texts('a/b', 'a_b'), ['a%2Fb']);
		assert.deepEqual(texts('a/b /', 'a_b /'), ['a%2Fb%20%2F']);
		assert.deepEqual(texts('pg/globals'), ['pg%2Fglobals']);
		assert.deepEqual(texts('pg_globals'), ['%70g_globals']);
		assert.deepEqual(subjectTexts({kind: 'globals'}, ['pg_globals']), ['pg_globals']);
		fc.assert(
			fc.property(fc.uniqueArray(databaseName, {maxLength: 6}), names => {
				const all = names.flatMap(name => subjectTexts({kind: 'database', name}, names));
				const taken = all.filter((text, index) => all.indexOf(text) !== index);
				assert.deepEqual(taken, []);
				for (const name of names) assert.ok(!legacyDatabaseName(name).includes('/'));
			}),
		);
	});
});
