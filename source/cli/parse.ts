/** The command line, from argv to values. */
import {type CommandLine} from '../config/command-line.js';
import {options, type AnyValue, type OptionName} from '../config/options.js';
import {readValue} from '../config/values.js';
import {ProblemsError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {tokenize, type Token, type Tokens} from './pflag.js';

export type ParsedCommandLine = CommandLine;

/** `argv` is without the program's own name. Throws ProblemsError USAGE with all mistakes at once. */
export async function parseCommandLine(argv: readonly string[]): Promise<ParsedCommandLine> {
	const tokens = tokenize(argv);
	if (tokens.problems.length > 0) throw usageError(tokens.problems);
	const asked = tokens.flags.find(token => isTerminal(token));
	if (asked) return {values: new Map([[asked.flag.name, true]]), arguments: tokens.arguments};
	return readFlags(tokens);
}

export function usageError(problems: readonly string[]): ProblemsError {
	return new ProblemsError(
		'USAGE',
		problems,
		'usage: pg_back [OPTION]... [DBNAME]...; "pg_back --help" shows the options',
	);
}

/** Help and version are answered whatever else is there, and load nothing. */
function isTerminal({flag, text}: Token): boolean {
	return (
		(flag.name === 'help' || flag.name === 'version') && readValue(flag.option, text, 'command line').value === true
	);
}

async function readFlags({flags, arguments: positionals}: Tokens): Promise<ParsedCommandLine> {
	const problems: string[] = [];
	const values = new Map<OptionName, AnyValue>();
	for (const token of flags.filter(one => one.flag.option.kind === 'boolean')) {
		const {problem} = readValue(token.flag.option, token.text, 'command line');
		if (problem !== undefined) problems.push(`${token.spelling}: ${problem}`);
	}
	if (problems.length > 0) throw usageError(problems);
	const parsed = await parseWithMeow(flags, positionals);
	for (const [name, given] of parsed.flags) {
		const texts = [given].flat();
		const option = options[name];
		const spelling = flags.findLast(({flag}) => flag.name === name)?.spelling ?? name;
		const read = texts.map(text =>
			typeof text === 'boolean' ? {value: text} : readValue(option, text, 'command line'),
		);
		const problem = read.find(one => one.problem !== undefined)?.problem;
		if (problem !== undefined)
			problems.push(`${spelling}: ${option.secret ? 'the value is malformed' : display(problem)}`);
		else if (option.kind === 'list')
			values.set(
				name,
				read.flatMap(one => one.value as readonly string[]),
			);
		else values.set(name, read.at(-1)?.value);
	}
	if (problems.length > 0) throw usageError(problems);
	return {values, arguments: parsed.arguments};
}

type MeowFlag = {readonly type: 'boolean' | 'string'; readonly isMultiple?: true};
type Given = string | boolean | readonly string[];

/**
 * meow reads canonical tokens, which keep clear of what it does otherwise: it throws a stack trace for an option given twice
 * (so each scalar comes once), takes a missing value for the default, makes NaN of a bad number (so numbers stay text),
 * strips quotes around values (so a second `=` goes before them), and would set every boolean that was not given.
 */
async function parseWithMeow(flags: readonly Token[], positionals: readonly string[]) {
	const canonical = new Map<string, string>();
	const declared: Record<string, MeowFlag> = {};
	const longNames = new Map<string, OptionName>();
	for (const [index, {flag, text}] of flags.entries()) {
		const {name, option, negative} = flag;
		const isOn = option.kind === 'boolean' && readValue(option, text, 'command line').value === true;
		if (negative && !isOn) continue;
		const flagKey = name;
		longNames.set(flagKey, name);
		declared[flagKey] = {
			type: option.kind === 'boolean' ? 'boolean' : 'string',
			...(option.kind === 'list' ? {isMultiple: true} : {}),
		};
		if (option.kind === 'boolean') {
			// The negative form wins over the positive one, wherever it stands.
			if (canonical.get(name) !== `--no-${name}`)
				canonical.set(name, negative ? `--no-${name}` : `--${name}=${String(isOn)}`);
		} else canonical.set(option.kind === 'list' ? `${name} ${index}` : name, `--${name}==${text}`);
	}
	const {default: meow} = await import('meow');
	const {flags: found, input} = meow({
		importMeta: import.meta,
		argv: [...canonical.values(), '--', ...positionals],
		flags: declared,
		pkg: {name: 'pg_back', version: ''},
		autoHelp: false,
		autoVersion: false,
		booleanDefault: undefined,
	});
	const given = [...longNames].flatMap(([flagKey, name]): [OptionName, Given][] => {
		const value = found[flagKey] as Given | undefined;
		return value === undefined ? [] : [[name, withoutGuard(value)]];
	});
	return {flags: given, arguments: input};
}

function withoutGuard(value: Given): Given {
	if (typeof value === 'boolean') return value;
	return typeof value === 'string' ? value.slice(1) : value.map(text => text.slice(1));
}
