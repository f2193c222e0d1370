/** The command line, from argv to values. */
import {type CommandLine} from '../config/command-line.js';
import {options, type AnyValue, type OptionName} from '../config/options.js';
import {readValue} from '../config/values.js';
import {ProblemsError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {type Parsed} from '../lib/parsed.js';
import {tokenize, type Token} from './pflag.js';

export type ParsedCommandLine = CommandLine;

/** `argv` is without the program's own name. Throws ProblemsError USAGE with all mistakes at once. */
export async function parseCommandLine(argv: readonly string[]): Promise<ParsedCommandLine> {
	const {flags, arguments: positionals, problems} = tokenize(argv);
	const wrong = flags.flatMap(token => problemOf(token, read(token)));
	if (problems.length > 0) throw usageError([...problems, ...wrong]);
	// Help and version are answered whatever else is there, and load nothing; but a conversion comes before them.
	const converts = flags.some(({flag}) => flag.name === 'convertLegacyConfig');
	const given = (name: OptionName) => flags.find(token => token.flag.name === name && read(token).value === true);
	const asked = converts ? undefined : (given('help') ?? given('version'));
	if (asked) return {values: new Map([[asked.flag.name, true]]), arguments: positionals};
	if (wrong.length > 0) throw usageError(wrong);
	return parseWithMeow(flags, positionals);
}

/** Mistakes on the command line, with the one line that says how it goes. */
export function usageError(problems: readonly string[]): ProblemsError {
	return new ProblemsError(
		'USAGE',
		problems,
		'usage: pg_back [OPTION]... [DBNAME]...; "pg_back --help" shows the options',
	);
}

function read({flag, text}: Token): Parsed<AnyValue> {
	return readValue(flag.option, text, 'command line');
}

function problemOf({flag, spelling}: Token, {problem}: Parsed<AnyValue>): readonly string[] {
	if (problem === undefined) return [];
	return [`${spelling}: ${flag.option.secret ? 'the value is malformed' : display(problem)}`];
}

/**
 * meow reads canonical tokens, which keep clear of what it does otherwise: it throws a stack trace for an option given twice
 * (so each scalar comes once, the last), takes a missing value for the default, makes NaN of a bad number and strips quotes
 * around values (so all values are text with a second `=` before them), and sets booleans that were not given.
 */
async function parseWithMeow(tokens: readonly Token[], positionals: readonly string[]): Promise<ParsedCommandLine> {
	const {default: meow} = await import('meow');
	const {flags, input} = meow({
		importMeta: import.meta,
		argv: [...canonical(tokens), '--', ...positionals],
		flags: Object.fromEntries(tokens.map(({flag}) => [flag.name, declare(flag.name)])),
		pkg: {name: 'pg_back', version: ''},
		autoHelp: false,
		autoVersion: false,
		booleanDefault: undefined,
	});
	const values = new Map<OptionName, AnyValue>();
	for (const name of new Set(tokens.map(({flag}) => flag.name))) {
		const given = flags[name];
		if (typeof given === 'boolean') values.set(name, given);
		else if (Array.isArray(given))
			values.set(
				name,
				given.flatMap(text => valueOf(name, text) as readonly string[]),
			);
		else if (given !== undefined) values.set(name, valueOf(name, given));
	}
	return {values, arguments: input};
}

function declare(name: OptionName): {readonly type: 'boolean' | 'string'; readonly isMultiple?: true} {
	const {kind} = options[name];
	if (kind === 'boolean') return {type: 'boolean'};
	return kind === 'list' ? {type: 'string', isMultiple: true} : {type: 'string'};
}

function canonical(tokens: readonly Token[]): readonly string[] {
	const words = new Map<string, string>();
	for (const [index, {flag, text, spelling}] of tokens.entries()) {
		const {name, option, negative} = flag;
		if (option.kind === 'list') words.set(`${spelling} ${index}`, `--${name}==${text}`);
		else if (option.kind !== 'boolean') words.set(name, `--${name}==${text}`);
		else {
			const on = readValue(option, text, 'command line').value === true;
			// The negative form wins wherever it stands, and is nothing when it says false.
			if (negative ? on : words.get(name) !== `--no-${name}`)
				words.set(name, negative ? `--no-${name}` : `--${name}=${String(on)}`);
		}
	}
	return [...words.values()];
}

function valueOf(name: OptionName, guarded: unknown): AnyValue {
	return readValue(options[name], String(guarded).slice(1), 'command line').value;
}
