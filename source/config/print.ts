/** Prints the configuration for people: effective options with their origin, and the shipped file. */
import {readBundled} from '../lib/bundled.js';
import {formatEscapedList} from '../lib/comma-list.js';
import {display} from '../lib/display.js';
import {joinWords} from '../lib/shell-words.js';
import {type Configuration} from './configuration.js';
import {
	type AnyValue,
	databaseOptionNames,
	type DatabaseSettings,
	type Option,
	type OptionName,
	options,
	settingNames,
} from './options.js';
import {describeOrigin} from './origin.js';

/**
 * Returns lines such as `jobs = 4  # /etc/pg_back/pg_back.conf:12`, without any secret; then one part for each database
 * section.
 */
export function describeConfiguration(configuration: Configuration): readonly string[] {
	const {settings, databases, forDatabase} = configuration;
	const lines = settingNames
		.filter(name => options[name].key !== undefined || configuration.given(name))
		.map(name => ({
			text: `${nameOf(name)} = ${formatValue(options[name], settings[name])}`,
			origin: describeOrigin(configuration.origin(name)),
		}));
	const width = Math.min(48, Math.max(...lines.map(({text}) => text.length)));
	return [
		...lines.map(({text, origin}) => `${text.padEnd(width)}  # ${display(origin)}`),
		...[...databases.keys()].flatMap(name => ['', `[${display(name)}]`, ...sectionLines(forDatabase(name))]),
	];
}

function sectionLines(settings: DatabaseSettings): readonly string[] {
	return databaseOptionNames.map(name => `${nameOf(name)} = ${formatValue(options[name], settings[name])}`);
}

function nameOf(name: OptionName): string {
	const {key, long} = options[name];
	return key ?? `--${long ?? name}`;
}

/** Returns a value in the syntax of the config file; secrets are masked. */
export function formatValue(option: Option, value: AnyValue): string {
	if (option.secret === true && value !== '') return '********';
	if (value === undefined) return option.kind === 'mode' ? '-1' : '';
	const text = formatPlain(option, value);
	return display(option.secret === 'partly' ? maskInside(text) : text);
}

function formatPlain(option: Option, value: Exclude<AnyValue, undefined>): string {
	if (typeof value === 'object') return formatList(option, value);
	if (typeof value !== 'number') return String(value);
	if (option.kind === 'mode') return `0${value.toString(8)}`;
	if (option.kind === 'percent') return value === 0 ? 'off' : `${value}%`;
	if (option.kind === 'interval') return value % 86_400_000 === 0 ? String(value / 86_400_000) : `${value / 1000}s`;
	return value === Number.POSITIVE_INFINITY ? 'all' : String(value);
}

function formatList({kind}: Option, value: readonly string[]): string {
	if (kind === 'choices') return value.length === 0 ? 'none' : value.join(', ');
	return kind === 'words' ? joinWords(value) : formatEscapedList(value);
}

/**
 * Masks the passwords of connection strings and everything in a web address except its host. Masks too much rather than
 * too little.
 */
export function maskInside(text: string): string {
	const withoutUser = text.replace(/^([a-z][a-z\d+.-]*:\/\/[^:@/?#]*):.*@/is, '$1:********@');
	if (/^https?:/i.test(text)) return withoutUser.replace(/^(\w+:\/\/[^/?#]*)[/?#].+/s, '$1/********');
	const value = text.includes('://') ? '[^&]*' : String.raw`(?:'(?:[^'\\]|\\.)*'?|(?:\\.|[^\s\\])*)`;
	return withoutUser.replaceAll(new RegExp(String.raw`(password\s*=\s*)${value}`, 'gis'), '$1********');
}

/** Returns the shipped pg_back.conf unchanged. */
export function readDefaultConfig(): string {
	return readBundled('pg_back.conf');
}
