/**
 * Throws malformed text at everything that reads text of people, for so many seconds each (60 unless told otherwise): config
 * files, files of pg_back 1, command lines, connection strings, hook commands. Only our own errors may come out, and quickly.
 *
 *     node_modules/.bin/node --import tsx scripts/fuzz.ts [SECONDS]
 */
import {parseCommandLine} from '../source/cli/parse.js';
import {readConfigFile} from '../source/config/config-file.js';
import {convertLegacyConfig} from '../source/config/legacy.js';
import {configKeys, longFlags} from '../source/config/options.js';
import {PgBackError} from '../source/core/errors.js';
import {splitWords} from '../source/lib/shell-words.js';
import {parseConnectionString} from '../source/postgres/conninfo.js';

const seconds = Number(process.argv[2] ?? '60');
const slowest = 2000;

const pieces = [
	...configKeys.keys(),
	...[...longFlags.keys()].map(name => `--${name}`),
	...[
		'[',
		']',
		'=',
		':',
		'#',
		';',
		'"',
		"'",
		'`',
		'"""',
		'\\',
		'\n',
		'\r',
		'\t',
		' ',
		',',
		'%(',
		')s',
		'%(jobs)s',
		'%',
		'@',
		'/',
		'?',
		'&',
	],
	...[
		'-',
		'--',
		'\0',
		'\uFEFF',
		'\u2028',
		'\u001B',
		'🐘',
		'\uD800',
		'PGBK_',
		'PGBK_OPTS=',
		'SIGNATURE_ALGO=',
		'(',
		')',
		'-F',
		'-j',
	],
	...[
		'postgresql://',
		'postgres://',
		'host',
		'password',
		'[::1]',
		'%2',
		'5432',
		'1',
		'0x',
		'-1',
		'all',
		'true',
		'yes',
		'__proto__',
		'a',
	],
];

function randomText(): string {
	const count = Math.floor(Math.random() ** 3 * 400);
	const piece = () => pieces[Math.floor(Math.random() * pieces.length)] ?? '';
	const text = Array.from({length: count}, piece).join('');
	return Math.random() < 0.02 ? text.repeat(100) : text;
}

const targets: Readonly<Record<string, (text: string) => unknown>> = {
	'config file': text => {
		for (const {text: problem} of readConfigFile(text, 'f').problems) {
			if (!/^f:\d+: /.test(problem)) throw new Error(`a problem without its place: ${problem}`);
		}
	},
	'v1 config file': text => {
		const {problems} = readConfigFile(convertLegacyConfig(text).output, 'f');
		if (problems[0]) throw new Error(`the conversion does not load: ${problems[0].text}`);
	},
	'command line': async text => parseCommandLine(text.split(' ')),
	'connection string': text => parseConnectionString(text),
	hook: text => splitWords(text),
};

for (const [name, target] of Object.entries(targets)) {
	const end = performance.now() + seconds * 1000;
	let count = 0;
	while (performance.now() < end) {
		const text = randomText();
		const start = performance.now();
		try {
			await target(text);
		} catch (error) {
			if (!(error instanceof PgBackError) || error.code === 'BUG') fail(name, text, error);
		}
		if (performance.now() - start > slowest) fail(name, text, `took more than ${slowest} ms`);
		count++;
	}
	console.log(`${name}: ${count} texts, only errors of ours`);
}

function fail(name: string, text: string, reason: unknown): never {
	console.error(`${name}: ${JSON.stringify(text)}`);
	throw reason instanceof Error ? reason : new Error(String(reason));
}
