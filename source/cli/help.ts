/** Generates the help from the options table. */
import {type AnyValue, groups, type Option, type OptionName, optionNames, options} from '../config/options.js';
import {formatValue} from '../config/print.js';

/** Columns of the options; their help texts follow. */
const column = 34;

export const examples = [
	['pg_back', 'all databases, configured by /etc/pg_back/pg_back.conf'],
	['pg_back -h db1 -U postgres -b /backups -j 4 -S sha256 app orders', 'two databases, with checksums'],
	['pg_back --dry-run -P 7 -K 3', 'show what would be dumped and removed'],
	["pg_back --download s3 --decrypt --cipher-identity-file key.txt 'orders_*'", 'download and decrypt'],
] as const;

/** Returns the whole help with a final newline, in lines of at most `columns` (between 60 and 120). */
export function helpText(columns = 80): string {
	const lines = [
		'pg_back dumps PostgreSQL databases, verifies, encrypts, uploads and purges the dumps, and restores them',
		'',
		'Usage:',
		'  pg_back [OPTION]... [DBNAME]...',
		'',
		'Examples:',
		...examples.flatMap(([command, text]) => [`  ${command}`, `      ${text}`]),
		...groups.flatMap(group => groupLines(group, columns)),
		'',
		'The configuration file can have a section for each database: see --print-default-config.',
		`--help TOPIC shows a part of this. Topics: ${topicNames().join(', ')}, and every option.`,
	];
	return `${lines.flatMap(line => (line.startsWith(' ') ? [line] : wrap(line, widthOf(columns)))).join('\n')}\n`;
}

/**
 * Returns the part of the help for a topic (a heading, its short name, or an option); undefined for an unknown name.
 */
export function topicText(topic: string, columns = 80): string | undefined {
	const word = topic.toLowerCase().replace(/^-+/, '');
	const group = groups.find(one => one.toLowerCase() === word || topicOf(one) === word);
	if (group !== undefined) return `${groupLines(group, columns).slice(1).join('\n')}\n`;
	const name = optionNames.find(one => options[one].long === word || options[one].key === word);
	return name === undefined ? undefined : `${optionLines(name, columns).join('\n')}\n`;
}

/** Returns the topics that `--help` accepts, one for each heading. */
export function topicNames(): readonly string[] {
	return groups.map(topicOf);
}

function topicOf(group: string): string {
	const short: Readonly<Record<string, string>> = {
		'Backblaze B2': 'b2',
		'Google Cloud Storage': 'gcs',
		'Checks and encryption': 'encryption',
		'Remote storage': 'remote',
		'Decrypt, list and download': 'download',
		'Output and monitoring': 'output',
	};
	return short[group] ?? group.toLowerCase().replaceAll(' ', '-');
}

const widthOf = (columns: number) => Math.min(120, Math.max(60, columns));

function groupLines(group: string, columns: number): readonly string[] {
	const names = optionNames.filter(name => options[name].group === group && options[name].long !== undefined);
	return names.length === 0 ? [] : ['', `${group}:`, ...names.flatMap(name => optionLines(name, columns))];
}

function optionLines(name: OptionName, columns: number): readonly string[] {
	const option = options[name];
	const limit = widthOf(columns) - column;
	const lines = inColumns(`  ${synopsis(name)}`, wrap(`${option.help}${defaultText(option)}`, limit));
	if (option.negative === undefined) return lines;
	const text = `disables --${option.long ?? name}, overriding the configuration`;
	return [...lines, ...inColumns(`      --${option.negative}`, wrap(text, limit))];
}

/** Returns `left`, with the lines of its text in a second column; below it if it is too long. */
function inColumns(left: string, text: readonly string[]): readonly string[] {
	const [first = '', ...rest] = left.length < column - 1 ? text : ['', ...text];
	return [`${left.padEnd(column)}${first}`.trimEnd(), ...rest.map(line => ' '.repeat(column) + line)];
}

/** Returns `-j, --jobs N` as in help, manual and README. */
export function synopsis(name: OptionName): string {
	const option = options[name];
	const short = option.short === undefined ? '    ' : `-${option.short}, `;
	const value = placeholder(option);
	const separator = option.implied === undefined || option.takesNext ? ' ' : '=';
	const shown = value === '' ? '' : option.implied === undefined ? ` ${value}` : `[${separator}${value}]`;
	return `${short}--${option.long ?? name}${shown}`;
}

/** Returns the placeholder for the value of an option; empty for a flag. */
export function placeholder(option: Option): string {
	if (option.kind === 'boolean') return '';
	if (option.kind === 'choice' && option.implied !== undefined && option.value === undefined) {
		return option.choices.filter(choice => choice !== option.implied && choice !== option.default).join('|');
	}
	if (option.value !== undefined) return option.value;
	const names: Partial<Record<Option['kind'], string>> = {
		yesNo: 'yes|no',
		integer: 'N',
		mode: 'MODE',
		choice: 'NAME',
	};
	return names[option.kind] ?? 'TEXT';
}

/** Returns ` (default: …)`, or an empty string if the default is empty or obvious. */
export function defaultText(option: Option): string {
	const value: AnyValue = option.default;
	const silent =
		value === undefined || value === '' || value === 'none' || value === false || option.implied !== undefined;
	if (silent || (typeof value === 'object' && value.length === 0) || value === 0) return '';
	const text = option.kind === 'yesNo' ? 'yes' : formatValue({...option, secret: undefined}, value);
	return ` (default: ${text})`;
}

function wrap(text: string, limit: number): readonly string[] {
	const lines: string[] = [];
	for (const word of text.split(' ')) {
		const last = lines.at(-1);
		if (last !== undefined && last.length + 1 + word.length <= limit) lines[lines.length - 1] = `${last} ${word}`;
		else lines.push(word);
	}
	return lines;
}
