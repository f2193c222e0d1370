/** The help, made from the options table. */
import {groups, optionNames, options, type AnyValue, type Option, type OptionName} from '../config/options.js';
import {formatValue} from '../config/print.js';
import {choicesOf} from '../config/values.js';

const width = 100;
const column = 34;

export const examples = [
	['pg_back', 'all databases, as /etc/pg_back/pg_back.conf says'],
	['pg_back -h db1 -U postgres -b /backups -j 4 -S sha256 app orders', 'two databases, with checksums'],
	['pg_back --dry-run -P 7 -K 3', 'what would be dumped and removed'],
	["pg_back --download s3 --decrypt --cipher-identity-file key.txt 'orders_*'", 'fetch and decrypt'],
] as const;

/** The whole help, at most 100 columns wide, with a newline at the end. */
export function helpText(): string {
	const lines = [
		'pg_back dumps PostgreSQL databases, checks, encrypts, ships and purges the dumps',
		'',
		'Usage:',
		'  pg_back [OPTION]... [DBNAME]...',
		'',
		'Examples:',
		...examples.flatMap(([command, text]) => [`  ${command}`, `      ${text}`]),
	];
	for (const group of groups) {
		const names = optionNames.filter(name => options[name].group === group && options[name].long !== undefined);
		if (names.length > 0) lines.push('', `${group}:`, ...names.flatMap(name => optionLines(name)));
	}
	lines.push('', 'A database may have a section of its own in the configuration file: see --print-default-config.');
	return `${lines.join('\n')}\n`;
}

function optionLines(name: OptionName): readonly string[] {
	const option = options[name];
	const text = wrap(`${option.help}${defaultText(option)}`, width - column);
	const left = `  ${synopsis(name)}`;
	const [first = '', ...rest] = left.length < column - 1 ? text : ['', ...text];
	const lines = [`${left.padEnd(column)}${first}`.trimEnd(), ...rest.map(line => ' '.repeat(column) + line)];
	if (option.negative !== undefined)
		lines.push(`${`      --${option.negative}`.padEnd(column)}the opposite, whatever else is said`);
	return lines;
}

/** `-j, --jobs N` as help, manual and README write it. */
export function synopsis(name: OptionName): string {
	const option = options[name];
	const short = option.short === undefined ? '    ' : `-${option.short}, `;
	const value = placeholder(option);
	const separator = option.implied === undefined || option.takesNext ? ' ' : '=';
	const shown = value === '' ? '' : option.implied === undefined ? ` ${value}` : `[${separator}${value}]`;
	return `${short}--${option.long ?? name}${shown}`;
}

/** What stands for the value of an option; empty for a flag. */
export function placeholder(option: Option): string {
	if (option.kind === 'boolean') return '';
	if (option.kind === 'choice' && option.implied !== undefined && option.value === undefined) {
		return choicesOf(option)
			.filter(choice => choice !== option.implied && choice !== option.default)
			.join('|');
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

/** ` (default: …)`, or nothing where the default is "nothing" or speaks for itself. */
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
