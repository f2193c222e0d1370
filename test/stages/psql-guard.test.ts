/** What a plain dump may hold on its way to psql, and what not. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {guardedScript, knowsRestrict} from '../../source/stages/psql-guard.js';
import type {ScannerRules} from '../../source/stages/scanner-rules.js';
import {guard} from '../helpers/guard.js';

/** The line that is refused; undefined when all is passed on. */
async function refusedLine(
	text: Buffer | string,
	size?: number,
	rules?: Partial<ScannerRules>,
): Promise<number | undefined> {
	try {
		await guard(text, size, rules);
		return undefined;
	} catch (error) {
		assert.ok(error instanceof PgBackError && error.code === 'CORRUPT', String(error));
		assert.match(error.message, /^dump\.sql, line \d+: /);
		return Number(/line (\d+)/.exec(error.message)?.[1]);
	}
}

const evil = String.raw`\! id`;
const copy = 'COPY public.t (a, "B b") FROM stdin;\n';

const refused: readonly (readonly [string, number])[] = [
	[`${evil}\n`, 1],
	[`SELECT 1;\n${evil}\n`, 2],
	[`SELECT 1 ${evil};\n`, 1],
	[String.raw`SELECT 1 \g | sh`, 1],
	[String.raw`\copy t from program 'id'`, 1],
	[String.raw`\o |id`, 1],
	[String.raw`\connect other`, 1],
	['SELECT 1\\; SELECT 2;\n', 1],
	[String.raw` \restrict abc`, 1],
	[`SELECT 1\n\\restrict abc\n;`, 2],
	['\\restrict a`id`\n', 1],
	['\\unrestrict abc def\n', 1],
	// The ends of what is quoted.
	[`SELECT 'a''b'${evil}\n`, 1],
	[`SELECT E'a\\'b' ${evil}\n`, 1],
	[`SELECT E'a\\\\'\n${evil}\n`, 2],
	[`SELECT 'a\\'\n${evil}\n`, 2],
	[`SELECT U&'a\\'\n${evil}\n`, 2],
	[`SELECT b'1\\'\n${evil}\n`, 2],
	[`SET standard_conforming_strings = off;\nSELECT b'1\\'\n${evil}\n`, 3],
	[`SET standard_conforming_strings = off;\nSELECT 'a\\'b'\n${evil}\n`, 3],
	[`SET standard_conforming_strings = off;\nSET standard_conforming_strings TO 'on';\nSELECT 'a\\'\n${evil}\n`, 4],
	[`SELECT "a""b"${evil}\n`, 1],
	[`SELECT $a$ $b$ $a$ ${evil}\n`, 1],
	[`SELECT $$ $a$ $$ ${evil}\n`, 1],
	[`SELECT a$$ ${evil} $$\n`, 1],
	[`/* /* */ */ ${evil}\n`, 1],
	[`/* // */ ${evil}\n`, 1],
	[`SELECT 1 -- it's\n${evil}\n`, 2],
	[`SELECT 1 +-- it's\n${evil}\n`, 2],
	[`-- comment\r${evil}\n`, 1],
	[`SELECT E'a'\r'b\\' ${evil}'\n`, 1],
	// What versions of psql read differently.
	[`SELECT 1E'\\' ${evil} '\n`, 1],
	[`SELECT 1.E'\\' ${evil} '\n`, 1],
	[`SELECT $1a$$ ${evil} $$\n`, 1],
	[`SELECT 1$$ ${evil} $$\n`, 1],
	['SELECT :DBNAME;\n', 1],
	['SELECT :LAST_ERROR_MESSAGE$x;\n', 1],
	['SELECT 1;\n\0\n', 2],
	// Rows are only what psql takes for rows.
	[`${copy}1\t2\n\\.\n${evil}\n`, 4],
	[`${copy}1\t2\n\\.\r\n${evil}\n`, 4],
	[`COPY t FROM stdin; ${evil}\n\\.\n`, 1],
	[`COPY t FROM '/etc/passwd';\n${evil}\n\\.\n`, 1],
	[`COPY t FROM PROGRAM 'id';\n`, 1],
	[`COPY t TO stdout;\n`, 1],
	[`COPY (SELECT 1) TO stdin;\n`, 1],
	[`COPY t FROM stdout;\n${evil}\n\\.\n`, 1],
	[`COPY t FROM stdin WITH (FORMAT binary);\n`, 1],
	[`SELECT (1; COPY t FROM stdin;\n${evil}\n\\.\n`, 2],
	[`CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;\nCOPY t FROM stdin;\n${evil}\n\\.\nEND;\n`, 3],
	[`CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END;\nCOPY t FROM stdin;\n${evil}\n`, 3],
];

const accepted: readonly string[] = [
	'',
	'SELECT 1',
	"SELECT E'\\\\! id', 'C:\\\\dir\\', U&'\\0041', U&\"\\0041\", b'1', X'1F', n'x';\n",
	`SELECT $$ ${evil} $$, $f$ $$ ${evil} ' " $f$;\n`,
	`CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT '\n${evil}\n' || $1 $_$;\n`,
	`/* ' ${evil} /* " */ ${evil} */ SELECT 1;\n`,
	`-- Name: ${evil}; it's "\nSELECT 1;\n`,
	`SELECT "${evil}", "a""b";\n`,
	`${copy}\\N\t\\\\\n\\! id\n'\n\\.x\n \\.\n\\.\nSELECT 1;\n`,
	'COPY "a.b"."odd ""na\nme" FROM stdin;\n\\.\n',
	'COPY old (a) WITH OIDS FROM stdin;\n1\t2\n\\.\r\nCOPY t () FROM stdin;\r\n\\.\n',
	'CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN ($1 + 1);\n',
	`CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;\n${copy}\\! x\n\\.\n`,
	'CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);\n',
	'SELECT a[1:n], x::text, 1.5E+10, 0x1F, 1_000, :name, a[1:"DBNAME"];\r\n',
	`SET standard_conforming_strings = off;\nSELECT 'it\\'s ${evil.replace('\\', '\\\\')}', E'\\\\';\n`,
	`SET client_encoding = 'LATIN1';\nSELECT '\\';\n`,
	`INSERT INTO t VALUES (${'9'.repeat(140_000)}, '${'x'.repeat(3_000_000)}');\n`,
];

describe('the guard before psql', () => {
	for (const [text, line] of refused) {
		test(`refuses line ${line} of ${JSON.stringify(text)}`, async () => {
			assert.equal(await refusedLine(text), line);
			for (const size of [1, 2, 3, 7]) assert.equal(await refusedLine(text, size), line, `in pieces of ${size}`);
		});
	}

	for (const text of accepted) {
		test(`passes on ${JSON.stringify(text.slice(0, 120))}`, async () => {
			for (const size of text.length > 10_000 ? [Infinity, 65_536] : [Infinity, 1, 2, 3, 7])
				assert.equal((await guard(text, size)).toString(), text);
		});
	}

	test('takes the second byte of a wide character for no quote and no backslash', async () => {
		const set = (name: string) => Buffer.from(`SET client_encoding = '${name}';\n`);
		const text = (bytes: readonly number[]) => Buffer.concat([Buffer.from("SELECT E'"), Buffer.from(bytes)]);
		for (const [name, bytes] of [
			['SJIS', [0x95, 0x5c]],
			['Big5', [0xa5, 0x5c]],
			['gb18030', [0x81, 0x30, 0x81, 0x30, 0x81, 0x5c]],
			['GBK', [0x81, 0x5c]],
			['JOHAB', [0x8f, 0x5c, 0x5c]],
		] as const) {
			const ends = Buffer.concat([set(name), text(bytes), Buffer.from(`';\n${evil}\n`)]);
			const continued = Buffer.concat([set(name), text([...bytes, 0x5c]), Buffer.from(`' ${evil.slice(1)}';\n`)]);
			for (const size of [1, 2, 3, Infinity]) {
				assert.equal(await refusedLine(ends, size), 3, name);
				assert.deepEqual(await guard(continued, size), continued, name);
			}
		}
		const half = Buffer.concat([set('SJIS'), text([0xb1, 0x5c]), Buffer.from(`';\n${evil}\n`)]);
		assert.equal(await refusedLine(half), 2, 'a half-width character has one byte');
	});

	test('refuses a dump that is cut', async () => {
		for (const [text, line] of [
			[`${copy}1\t2\n`, 1],
			["\nSELECT 'a", 2],
			['SELECT $x$ $', 1],
			['/* ', 1],
		] as const)
			assert.equal(await refusedLine(text), line);
	});

	test('leaves out the restrictions of pg_dump, which its own replace', async () => {
		const text = '--\n\\restrict aBc09\nSELECT 1;\n\\unrestrict aBc09\n';
		for (const size of [1, 5, Infinity]) assert.equal((await guard(text, size)).toString(), '--\n\nSELECT 1;\n\n');
	});

	test('leaves out what the rules leave out, with the same number of lines', async () => {
		const words = new Set(['alter', 'grant']);
		const statement = (text: string) => (/OWNER TO|^GRANT/.test(text) ? undefined : text.replace('old', 'new'));
		const text = `ALTER TABLE t OWNER TO "a;\nb";\nGRANT ALL ON t TO x; SELECT 'old';\nALTER TABLE old ADD x int;\n\\connect x\n`;
		const expected = "\n\n SELECT 'old';\nALTER TABLE new ADD x int;\n\n";
		for (const size of [1, 3, Infinity])
			assert.equal((await guard(text, size, {words, statement, dropConnect: true})).toString(), expected);
	});

	test('says again what psql has to know, between statements and never among rows', async () => {
		const text = `SET client_encoding = 'LATIN1';\n${copy}x\n\\.\nSELECT ';';\n`;
		const pin = "\nSET standard_conforming_strings = on;\nSET client_encoding = 'LATIN1';\n";
		const expected = `SET client_encoding = 'LATIN1';\n${pin}${copy}x\n\\.\n${pin}SELECT ';';${pin}\n`;
		for (const size of [1, 4, Infinity]) assert.equal((await guard(text, size, {pin: true})).toString(), expected);
	});

	test('knows which psql can be told to run no commands', () => {
		for (const version of [130_022, 140_019, 150_014, 160_010, 170_006, 180_000, 190_000])
			assert.ok(knowsRestrict(version));
		for (const version of [120_022, 130_021, 140_018, 150_013, 160_009, 170_005]) assert.ok(!knowsRestrict(version));
	});

	test('needs little memory for any text', async () => {
		const row = Buffer.alloc(65_536, 'x');
		async function* text() {
			yield Buffer.from(copy);
			for (let at = 0; at < 2000; at++) yield row;
			yield Buffer.from("\n\\.\nSELECT '");
			for (let at = 0; at < 2000; at++) yield row;
			yield Buffer.from("';\n");
		}
		let bytes = 0;
		let most = 0;
		for await (const piece of guardedScript(text(), {what: 'dump.sql'})) {
			bytes += piece.byteLength;
			most = Math.max(most, piece.byteLength);
		}
		assert.ok(bytes > 4000 * 65_536);
		assert.ok(most <= 65_536 + 64, `${most} bytes at once`);
	});
});
