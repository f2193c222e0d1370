/** Converts configuration files of pg_back 1 (shell variables) to the current format. The output always loads. */
import {formatEscapedList} from '../lib/comma-list.js';
import {display} from '../lib/display.js';
import {joinWords, splitWords} from '../lib/shell-words.js';
import {readConfigFile} from './config-file.js';
import {globalSection, parseIni} from './ini.js';
import {isContinued, shellOnly} from './legacy-shell.js';
import {configKeys} from './options.js';

export type Converted = {
	/** The whole config file, with a final newline. */
	readonly output: string;
	/** One line each. */
	readonly warnings: readonly string[];
};

const plainKeys: Readonly<Record<string, string>> = {
	PGBK_BIN: 'bin_directory',
	PGBK_BACKUP_DIR: 'backup_directory',
	PGBK_PURGE: 'purge_older_than',
	PGBK_PURGE_MIN_KEEP: 'purge_min_keep',
	PGBK_STANDBY_PAUSE_TIMEOUT: 'pause_timeout',
	PGBK_HOSTNAME: 'host',
	PGBK_PORT: 'port',
	PGBK_USERNAME: 'user',
	PGBK_CONNDB: 'dbname',
	PGBK_PRE_BACKUP_COMMAND: 'pre_backup_hook',
	PGBK_POST_BACKUP_COMMAND: 'post_backup_hook',
	SIGNATURE_ALGO: 'checksum_algorithm',
};

/**
 * Never throws: a line that has no meaning today, or that would not load, becomes a comment and a warning. A line that
 * sets nothing is omitted with a warning, and shell syntax is copied with one.
 */
export function convertLegacyConfig(text: string): Converted {
	const lines: string[] = [];
	const warnings: string[] = [];
	for (const [index, raw] of text.split('\n').entries()) {
		const line = raw.replaceAll(/^[ \t\r\v]+|[ \t\r\v]+$/g, '');
		if (line === '' || line.startsWith('#')) continue;
		if (!/^(?:PGBK_|SIGNATURE_ALGO=)/.test(line)) {
			warnings.push(`line ${index + 1} is omitted, it sets nothing that pg_back knows: ${display(line)}`);
			continue;
		}
		const equals = line.indexOf('=');
		const name = equals < 0 ? line : line.slice(0, equals);
		const value = equals < 0 ? '' : valueOf(line.slice(equals + 1));
		const result = equals < 0 ? {problem: 'has no value'} : convert(name, value);
		const doubt = 'problem' in result ? result.problem : shellOnly(name, value);
		if (doubt !== undefined) warnings.push(`${display(name)} ${display(doubt)}`);
		lines.push(...('problem' in result ? [`# ${display(line)}`] : result.lines));
	}
	return {output: lines.map(line => `${line}\n`).join(''), warnings};
}

type Result = {readonly lines: readonly string[]} | {readonly problem: string};

function convert(name: string, value: string): Result {
	const key = Object.hasOwn(plainKeys, name) ? plainKeys[name] : undefined;
	if (key !== undefined) return checked([[key, value]]);
	switch (name) {
		case 'PGBK_TIMESTAMP':
			return checked([['timestamp_format', unquoted(value) === '%Y-%m-%d_%H-%M-%S' ? 'legacy' : 'rfc3339']]);
		case 'PGBK_WITH_TEMPLATES':
			return checked([['with_templates', String(unquoted(value) === 'yes')]]);
		case 'PGBK_DBLIST':
			return convertList('include_dbs', value);
		case 'PGBK_EXCLUDE':
			return convertList('exclude_dbs', value);
		case 'PGBK_OPTS':
			return convertOptions(value);
		default:
			return {problem: 'is not known'};
	}
}

/** A list that continues on the next line is not converted, because a part of it would look complete. */
function convertList(key: string, value: string): Result {
	if (isContinued(value)) return {problem: 'could not be converted: the list continues on the next line'};
	return checked([[key, listOf(value)]]);
}

/** Returns the lines if a file with them loads. */
function checked(entries: readonly (readonly [key: string, value: string])[]): Result {
	for (const [key, value] of entries) {
		const problem = loadProblem(key, value);
		if (problem !== undefined) return {problem: `could not be converted: ${problem}`};
	}
	return {lines: entries.map(([key, value]) => `${key} = ${value}`)};
}

function loadProblem(key: string, value: string): string | undefined {
	for (const [reference, name = ''] of value.matchAll(/%\(([^()]+)\)s/g)) {
		if (configKeys.has(name)) return `${reference} would be expanded to the value of ${name}`;
	}
	// The line after it must not become a part of the value.
	const {values, problems} = readConfigFile(`${key} = ${value}\njobs = 1\n`, '');
	if (problems[0] !== undefined) return problems[0].text.replace(/^:\d+: /, '');
	return values.has('jobs') ? undefined : 'the value continues on the next line';
}

/** Returns the text after `=`: without a comment outside quotes, and without surrounding spaces. */
function valueOf(text: string): string {
	let quote = '';
	let escaped = false;
	let end = 0;
	for (; end < text.length; end++) {
		const character = text.charAt(end);
		if (character === '\\') escaped = !escaped;
		else if (character === "'" || character === '"') {
			if (!escaped && (quote === '' || quote === character)) quote = quote === '' ? character : '';
			escaped = false;
		} else if (character === '#' && quote === '') break;
	}
	return text.slice(0, end).replaceAll(/^[ \t\v]+|[ \t\v]+$/g, '');
}

function unquoted(value: string): string {
	return value.replaceAll(/^["']+|["']+$/g, '');
}

function listOf(value: string): string {
	return formatEscapedList(
		unquoted(value)
			.split(/\s+/)
			.filter(item => item !== ''),
	);
}

const formats: Readonly<Record<string, string>> = {p: 'plain', c: 'custom', t: 'tar', d: 'directory'};

/** Converts the options of pg_dump, without the format, which has its own key. */
function convertOptions(value: string): Result {
	const usual = splitWords(value.startsWith('(') ? value.replaceAll(/^\(+|\)+$/g, '') : unquoted(value));
	// Inner quotes at the end are a part of the last word: only the outer pair is removed.
	const inPair = /^(["'])(.*)\1$/s.exec(value)?.[2];
	const words = usual.problem === undefined || inPair === undefined ? usual : splitWords(inPair);
	if (words.problem !== undefined) return {problem: `could not be converted: ${words.problem}`};
	const entries: [string, string][] = [];
	const others: string[] = [];
	const rest = [...words.value];
	for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
		const separate = word === '-F' || word === '--format';
		const given = separate ? rest.shift() : /^(?:-F|--format=)(.+)$/s.exec(word)?.[1];
		const format = given === undefined ? undefined : formats[given.charAt(0)];
		if (format !== undefined) entries.push(['format', format]);
		else others.push(word, ...(separate && given !== undefined ? [given] : []));
	}
	return checked([...entries, ['pg_dump_options', joinOptions(others)]]);
}

/** Uses the format of pg_back 2, unless it would be parsed differently. */
function joinOptions(words: readonly string[]): string {
	const usual = words
		.map(word => (word.includes(' ') ? `"${word.replaceAll(/["\\]/g, String.raw`\$&`)}"` : word))
		.join(' ');
	const entry = parseIni(`pg_dump_options = ${usual}\n`).sections.get(globalSection)?.get('pg_dump_options');
	const readBack = entry === undefined ? undefined : splitWords(entry.value).value;
	return JSON.stringify(readBack) === JSON.stringify(words) ? usual : `\`${joinWords(words)}\``;
}
