/** What is parsed from the text of a dump, independent of how it is divided into pieces. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {type DumpText, DumpTextReader, textOfCommand} from '../../source/stages/dump-text.js';
import {cpuMilliseconds} from '../helpers/cpu.js';

function read(text: string, size = text.length): DumpText {
	const reader = new DumpTextReader();
	const bytes = Buffer.from(text, 'latin1');
	for (let at = 0; at < bytes.length; at += Math.max(1, size)) reader.push(bytes.subarray(at, at + Math.max(1, size)));
	return reader.result();
}
const comment = (name: string, kind: string, schema = 'public', start = '') =>
	`--\n-- ${start}Name: ${name}; Type: ${kind}; Schema: ${schema}; Owner: some; body\n--\n\n`;
const data = (name: string, statement: string, rows: readonly string[], schema = 'public') =>
	`${comment(name, 'TABLE DATA', schema, 'Data for ')}${statement}\n${rows.map(row => `${row}\n`).join('')}\\.\n\n`;

const dump = [
	"--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'LATIN1';\n",
	comment('public', 'SCHEMA', '-'),
	comment('t', 'TABLE'),
	'CREATE TABLE public.t (i int);\n',
	comment('t', 'ACL'),
	comment('f(integer)', 'FUNCTION', 's'),
	"CREATE FUNCTION s.f(integer) AS '\nCOPY x FROM stdin;\n-- Name: no; Type: TABLE; Schema: s; Owner: x\n';\n",
	comment('t_i_seq', 'SEQUENCE SET'),
	data('t', 'COPY public.t (i, x) FROM stdin;', [
		'1\ta',
		'-- Name: row; Type: TABLE; Schema: x; Owner: y',
		'',
		'\\\\.',
		'2\t\\N',
	]),
	data('empty', 'COPY public.empty (i) FROM stdin;', []),
	data('old', 'COPY old (i) FROM stdin;', ['1'], 'was'),
	data('odd name', 'COPY "a.b"."odd ""na\nme" (i) FROM stdin;', ['1', '2'], 'a.b'),
	data('part1', 'COPY public.whole (i) FROM stdin;', ['1']),
	data('part2', 'COPY public.whole (i) FROM stdin;', ['2', '3']),
	comment('t t_pkey', 'CONSTRAINT'),
	'--\n-- PostgreSQL database dump complete\n--\n\n',
].join('');

test('objects, tables with their rows, the encoding; nothing of bodies and rows', () => {
	const {objects, tables, inserts, encoding} = read(dump);
	assert.deepEqual([...objects], ['TABLE public.t', 'FUNCTION s.f(integer)', 'CONSTRAINT public.t t_pkey']);
	assert.deepEqual(
		tables.map(({schema, table, rows}) => [schema, table, rows]),
		[
			['public', 't', 5],
			['public', 'empty', 0],
			['was', 'old', 1],
			['a.b', 'odd "na\nme', 2],
			['public', 'whole', 3],
		],
	);
	assert.deepEqual([inserts, encoding], [false, 'LATIN1']);
});

test('in pieces of any size', () => {
	const whole = read(dump);
	fc.assert(fc.property(fc.integer({min: 1, max: 300}), size => assert.deepEqual(read(dump, size), whole)));
});

test('rows as INSERT statements are seen', () => {
	assert.equal(
		read(`${comment('t', 'TABLE DATA', 'public', 'Data for ')}INSERT INTO public.t VALUES (1);\n`).inserts,
		true,
	);
});

test('a row of hundreds of megabytes is not kept', () => {
	const reader = new DumpTextReader();
	reader.push(Buffer.from(data('t', 'COPY public.t (i) FROM stdin;', []).replace('\\.\n\n', '')));
	const piece = Buffer.alloc(1 << 20, 'x');
	const started = cpuMilliseconds();
	for (let index = 0; index < 300; index++) reader.push(piece);
	reader.push(Buffer.from('\nshort\n\\.\n'));
	assert.equal(reader.result().tables[0]?.rows, 2);
	assert.ok(cpuMilliseconds() - started < 30_000);
});

test('a program that is killed without a message is named with its signal', async () => {
	const killed = {command: '/bin/sh', args: ['-c', 'kill -9 $$'], env: {}, signal: new AbortController().signal};
	await assert.rejects(textOfCommand({...killed, what: 'the text of app'}), {
		message: 'the text of app cannot be read: killed by SIGKILL',
	});
});
