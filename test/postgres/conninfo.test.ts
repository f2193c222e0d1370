import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import fc from 'fast-check';
import {PgBackError} from '../../source/core/errors.js';
import {formatKeywords, isConnectionString, parseConnectionString} from '../../source/postgres/conninfo.js';
import {keywords} from '../../source/postgres/keywords.js';

// The cases of PostgreSQL's own src/interfaces/libpq/t/001_uri.pl, with what its libpq says.
const uris: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
	[
		'postgresql://uri-user:secret@host:12345/db',
		{user: 'uri-user', password: 'secret', host: 'host', port: '12345', dbname: 'db'},
	],
	['postgresql://uri-user@host:12345/', {user: 'uri-user', host: 'host', port: '12345'}],
	['postgresql://uri-user@', {user: 'uri-user'}],
	['postgresql://host/db?user=uri-user', {host: 'host', dbname: 'db', user: 'uri-user'}],
	['postgresql://host:12345?user=uri-user', {host: 'host', port: '12345', user: 'uri-user'}],
	['postgresql://%68ost/', {host: 'host'}],
	['postgresql://host?', {host: 'host'}],
	['postgresql://?', {}],
	['postgresql://', {}],
	['postgres://', {}],
	['postgres:///', {}],
	['postgres:///db', {dbname: 'db'}],
	['postgres://uri-user@/db', {user: 'uri-user', dbname: 'db'}],
	['postgres://:secret@host', {password: 'secret', host: 'host'}],
	['postgresql:///?host=/path/to/socket/dir', {host: '/path/to/socket/dir'}],
	['postgres://otheruser@:12345/db?host=/no/such', {user: 'otheruser', port: '12345', dbname: 'db', host: '/no/such'}],
	['postgres://%2Fvar%2Flib%2Fpostgresql/dbname', {host: '/var/lib/postgresql', dbname: 'dbname'}],
	['postgresql://[::1]:12345/db', {host: '::1', port: '12345', dbname: 'db'}],
	['postgresql://[2001:db8::1234]', {host: '2001:db8::1234'}],
	['postgresql://[200z:db8::1234]/', {host: '200z:db8::1234'}],
	['postgresql://[::1],[::2]:5433/', {host: '::1,::2', port: ',5433'}],
	['postgresql://h1,h2/db', {host: 'h1,h2', port: ',', dbname: 'db'}],
	['postgresql://h1:1,h2,h3:3/db', {host: 'h1,h2,h3', port: '1,,3', dbname: 'db'}],
	['postgresql://host/db%20with%20%25%3D%2F', {host: 'host', dbname: 'db with %=/'}],
	['postgresql://host/?options=-c%20work_mem%3D1MB', {host: 'host', options: '-c work_mem=1MB'}],
	['postgresql://host/?options=a+b', {host: 'host', options: 'a+b'}],
	['postgresql://host?ssl=true', {host: 'host', sslmode: 'require'}],
	['postgresql://host/a/b', {host: 'host', dbname: 'a/b'}],
	['postgresql://u:a:b@host', {user: 'u', password: 'a:b', host: 'host'}],
];

const wrong = [
	...[
		'postgresql://host?uzer=',
		'postgresql://host?zzz',
		'postgresql://host?value1&value2',
		'postgresql://host?key=key=value',
	],
	...[
		'postgresql://[::1',
		'postgresql://[]',
		'postgresql://[::1]z',
		'postgresql://%zz',
		'postgresql://%1',
		'postgresql://a%00b',
	],
	...[
		'postgresql://host?ssl=false',
		'postgresql://host?dbname=%XXfoo',
		'postgresql://%ff',
		'host',
		'a b=c',
		'=x',
		'host=x nonsense=1',
	],
	...["password='abc", 'host = x y', "dbname='a' 'b'"],
];

const strings: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
	['', {}],
	['   ', {}],
	['host=a port=1', {host: 'a', port: '1'}],
	['  host = a\n\tport\v=\f1\r ', {host: 'a', port: '1'}],
	['host= port=1', {host: 'port=1'}],
	["host='a b' user='it\\'s' password=a\\ b", {host: 'a b', user: "it's", password: 'a b'}],
	["host='a'user=b", {host: 'a', user: 'b'}],
	["dbname='' user=", {dbname: '', user: ''}],
	["dbname='a\\\\b'", {dbname: 'a\\b'}],
	['host=a host=b', {host: 'b'}],
	['user=a\\', {user: 'a'}],
	["user=a'b", {user: "a'b"}],
	['requiressl=1', {sslmode: 'require'}],
];

describe('connection strings', () => {
	for (const [uri, expected] of uris) test(uri, () => assert.deepEqual({...parseConnectionString(uri)}, expected));
	for (const [text, expected] of strings) {
		test(JSON.stringify(text), () => assert.deepEqual({...parseConnectionString(text)}, expected));
	}
	for (const text of wrong) {
		test(`refuses ${JSON.stringify(text)}`, () => {
			assert.throws(
				() => parseConnectionString(text),
				(error: unknown) => error instanceof PgBackError && error.code === 'CONFIG' && error.hint !== undefined,
			);
		});
	}

	test('an error says at which character', () => {
		for (const [text, place] of [
			['host=x nonsense=1', 8],
			['host = x y', 11],
			["host=🐘 password='abc", 17],
			['a\0', 2],
			['postgresql://u:p%zz@h', 17],
			['postgresql://u%zz:p@h', 15],
			['postgresql://a,b%4,c', 17],
			['postgresql://h:54%3,c', 18],
			['postgresql://a,[::1', 16],
			['postgresql://[::1]x', 19],
			['postgresql://[]', 14],
			['postgresql://h/d%b', 17],
			['postgresql://h/d?a=1', 18],
			['postgresql://h/d?user=a&b', 25],
			['postgresql://h/d?user=a&host=%0', 30],
			['postgresql://h/d?user=%00', 23],
			['postgresql://h/d?user=a=b', 18],
			['postgresql://h/%ff', 16],
		] as const)
			assert.throws(() => parseConnectionString(text), {message: new RegExp(` at character ${place}$`)}, text);
	});

	test('an error shows no value', () => {
		for (const text of [
			'password=se cr3t',
			'postgresql://u:s3cret@[::1',
			"password='s3cret",
			'postgresql://u:s3cret%zz@h',
		]) {
			assert.throws(
				() => parseConnectionString(text),
				(error: Error) => !/cr3t|s3cret/.test(error.message),
			);
		}
	});

	test('every keyword and any value reads back as it was', () => {
		const parameters = fc.dictionary(
			fc.constantFrom(...keywords),
			fc.string({unit: 'binary'}).filter(text => !text.includes('\0')),
		);
		fc.assert(
			fc.property(parameters, given => {
				assert.deepEqual({...parseConnectionString(formatKeywords(given))}, {...given});
			}),
		);
	});

	test('any text is parsed or refused by our own error, in linear time', () => {
		const pieces = fc.constantFrom(
			'host',
			'=',
			' ',
			"'",
			'\\',
			'postgresql://',
			'%',
			'[',
			']',
			':',
			',',
			'@',
			'?',
			'&',
			'a',
			'\n',
		);
		fc.assert(
			fc.property(
				fc.oneof(
					fc.string({unit: 'binary'}),
					fc.array(pieces).map(all => all.join('')),
				),
				text => {
					try {
						parseConnectionString(text);
					} catch (error) {
						assert.ok(error instanceof PgBackError, String(error));
					}
				},
			),
			{numRuns: 2000},
		);
		for (const long of [
			"host='" + '\\'.repeat(200_000),
			'a'.repeat(200_000),
			' '.repeat(200_000),
			`postgresql://${'h,'.repeat(50_000)}`,
		]) {
			const start = process.cpuUsage().user;
			try {
				parseConnectionString(long);
			} catch (error) {
				assert.ok(error instanceof PgBackError, String(error));
			}
			assert.ok(process.cpuUsage().user - start < 2e6);
		}
	});

	test('what libpq takes for a connection string', () => {
		assert.deepEqual(
			['a=b', 'postgres://', 'postgresql://x', 'postgres', 'postgres:/x', '-d'].map(isConnectionString),
			[true, true, true, false, false, false],
		);
	});
});
