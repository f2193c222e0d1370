import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {globalSection, parseIni} from '../../source/config/ini.js';
import {cpuMilliseconds} from '../helpers/cpu.js';

/** Section → key → value, for comparing. */
function read(text: string): Record<string, Record<string, string>> {
	const {sections, problems} = parseIni(text);
	assert.deepEqual(problems, []);
	return plain(sections);
}

function plain(sections: ReturnType<typeof parseIni>['sections']): Record<string, Record<string, string>> {
	const pairs = [...sections].map(([name, entries]) => [
		name,
		Object.fromEntries([...entries].map(([key, {value}]) => [key, value])),
	]);
	return Object.fromEntries(pairs) as Record<string, Record<string, string>>;
}

/** The value of `key = ${text}`. */
function value(text: string): string | undefined {
	return read(`key = ${text}\n`)[globalSection]?.['key'];
}

test('lines, delimiters, comments, a byte order mark and carriage returns', () => {
	const text = '\uFEFF# c\r\n; c\r\n\r\n  a = 1 # one\r\nb : 2\r\nc=3=4:5\r\nd =\r\n';
	assert.deepEqual(read(text), {DEFAULT: {a: '1', b: '2', c: '3=4:5', d: ''}});
});

test('every entry knows its line', () => {
	const {sections} = parseIni('a = 1\n\n# c\nb = x \\\n  y\nc = """1\n2"""\n[s]\nd = 4\na = 5\na = 6\n');
	const lines = [...sections].map(([name, entries]) => [name, [...entries].map(([key, {line}]) => `${key}:${line}`)]);
	assert.deepEqual(lines, [
		['DEFAULT', ['a:1', 'b:4', 'c:6']],
		['s', ['d:9', 'a:11']],
	]);
});

test('section names are literal text', () => {
	const names = [
		'my.db',
		'a]b',
		'[br]',
		'we ird',
		'x/y',
		'"q"',
		'__proto__',
		'constructor',
		'é😀',
		'a=b',
		'#a;b',
		' lead',
		'1',
	];
	for (const name of names) assert.deepEqual(read(`[${name}]\nk = v\n`)[name], {k: 'v'}, name);
	assert.deepEqual(Object.keys(read('[my]\nk = v\n[my.db]\n')), ['DEFAULT', 'my', 'my.db']);
	assert.deepEqual(read('[my]\nk = v\n[my.db]\n')['my.db'], {}, 'a dotted section inherits nothing');
	assert.deepEqual(Object.keys(read('[a] # see [b]\n')), ['DEFAULT', 'a] # see [b']);
});

test('the same section is merged, the last of the same key counts, DEFAULT is the global section', () => {
	const text = 'k = 1\n[s]\na = 1\nb = 1\n[DEFAULT]\nk = 2\n[s]\nb = 2\n';
	assert.deepEqual(read(text), {DEFAULT: {k: '2'}, s: {a: '1', b: '2'}});
});

test('words that other readers turn into something else stay text', () => {
	for (const text of ['true', 'false', 'null', '1', '1e3', '{}', '[]', 'a\\b', '\\;', 'x\u2028y']) {
		if (!text.includes(';')) assert.equal(value(text), text);
	}
	const {sections} = parseIni(
		'__proto__ = 1\na[] = 2\na[] = 3\n"quoted = key" = 4\n`t` = 5\n"""u""" = 6\nconstructor = 7\n',
	);
	const keys = [...(sections.get(globalSection) ?? [])].map(([key, entry]) => `${key}:${entry.value}`);
	assert.deepEqual(keys, ['__proto__:1', 'a[]:3', 'quoted = key:4', 't:5', 'u:6', 'constructor:7']);
});

test('a comment starts outside quotes only', () => {
	const cases: readonly (readonly [string, string])[] = [
		['a#b', 'a'],
		['a ; b', 'a'],
		['"ab#cd"', 'ab#cd'],
		[`'ab;cd' # c`, 'ab;cd'],
		['-O --comment="a#b" # c', '-O --comment="a#b"'],
		[`it's # don't`, `it's`],
		[`"open # c`, `"open`],
		[String.raw`sh -c "a \" # b" # c`, String.raw`sh -c "a \" # b"`],
		[String.raw`"a\" # c`, String.raw`"a\"`],
		[`host=x password='a#b'`, `host=x password='a#b'`],
		['#x', ''],
	];
	for (const [text, expected] of cases)
		assert.equal(value(text), expected === String.raw`"a\"` ? 'a\\' : expected, text);
});

test('one pair of quotes around the whole is removed, and nothing is decoded', () => {
	const cases: readonly (readonly [string, string])[] = [
		['"a"', 'a'],
		[`'a'`, 'a'],
		['""', ''],
		['"', '"'],
		['"-O" "-x"', '"-O" "-x"'],
		[`"it's"`, `it's`],
		[String.raw`"a\nb"`, String.raw`a\nb`],
		['" a "', ' a '],
	];
	for (const [text, expected] of cases) assert.equal(value(text), expected, text);
});

test('values over several lines', () => {
	assert.equal(value('a \\\n  b\\\n\tc'), 'a bc');
	assert.equal(value('a # b \\\nc'), 'a # b c');
	assert.equal(value('a \\\n\nb = 1'), 'a');
	assert.equal(value('`a # "b" \\` # c'), 'a # "b" \\');
	assert.equal(value('`a\n  b ; c\nd` rest'), 'a\n  b ; c\nd');
	assert.equal(value('"""a\nb"""'), 'a\nb');
	assert.equal(value('"""a " b"""'), 'a " b');
	assert.equal(value('"""\na\n  b # c\n"""'), '\na\n  b # c\n');
	assert.equal(value('a \\'), 'a');
});

test('references to other values', () => {
	const text =
		'base = /var\nname = x\ndir = %(base)s/%(name)s/%(none)s/%(base)s\n[s]\nname = y\npath = %(base)s/%(name)s\nbase = %(base)s/2\n';
	const {DEFAULT, s} = read(text);
	assert.equal(DEFAULT?.['dir'], '/var/x/%(none)s//var');
	assert.deepEqual(s, {name: 'y', path: '/var/2/y', base: '/var/2'});
	assert.equal(read('a = $&\nb = %(a)s\n')[globalSection]?.['b'], '$&');
});

test('a value that refers to itself is a problem and takes no time', () => {
	const before = cpuMilliseconds();
	for (const text of ['a = %(a)s', 'a = x%(a)s%(a)s', 'a = %(b)s%(b)s\nb = %(a)s%(a)s']) {
		assert.match(parseIni(text).problems[0]?.text ?? '', /refers to itself/, text);
	}
	assert.ok(cpuMilliseconds() - before < 1000);
});

test('what cannot be read is a problem with its line, and the rest is read', () => {
	const {sections, problems} = parseIni(
		'foo\n= x\n[]\n[b1\n"k = 1\na = 1\npostgres://u:secret@h/db\nlast = `open\nb = 2\n',
	);
	assert.deepEqual(
		problems.map(({line, text}) => `${line}: ${text}`),
		[
			'1: expected "key = value" or "[section]", found "foo"',
			'2: missing key before the delimiter',
			'3: a section name is empty',
			'4: missing ] after a section name',
			'5: unterminated quote in a key',
			'8: the value of last has an unterminated quote',
		],
	);
	assert.equal(sections.get(globalSection)?.get('a')?.value, '1');
	assert.equal(sections.get(globalSection)?.get('b')?.value, '2');
	assert.ok(!JSON.stringify(parseIni('averylongsecretline').problems).includes('secretline'));
});

test('any text is read without an error, and quickly', () => {
	const line = fc.oneof(
		fc.string({unit: 'binary'}),
		fc.string({unit: fc.constantFrom(...Array.from('[]=:#;\'"`\\%()s \tab.\n\r\uFEFF\u2028'))}),
	);
	fc.assert(fc.property(fc.array(line), lines => void parseIni(lines.join('\n'))));
	const before = cpuMilliseconds();
	for (const text of [
		'"\\'.repeat(50_000),
		'%('.repeat(50_000),
		'['.repeat(50_000),
		"'".repeat(50_000),
		'a = ' + ' \'"'.repeat(20_000),
	]) {
		parseIni(`k = ${text}`);
		parseIni(text);
	}
	assert.ok(cpuMilliseconds() - before < 5000);
});

test('a literal value is read back unchanged', () => {
	const name = fc.string({unit: 'binary', minLength: 1}).filter(text => text === text.trim() && !/[\r\n]/.test(text));
	const literal = fc.string({unit: 'binary'}).filter(text => !/[`\r]|%\(/.test(text));
	fc.assert(
		fc.property(name, literal, (section, text) => {
			const {sections, problems} = parseIni(`[${section}]\nkey = \`${text}\`\n`);
			assert.deepEqual(problems, []);
			assert.equal(sections.get(section)?.get('key')?.value, text);
		}),
		{
			examples: [
				['s', '\t\n'],
				['s', ' a \n b '],
				['s', ''],
			],
		},
	);
});
