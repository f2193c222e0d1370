/** Parses the command line, from argv to values. */
import {type CommandLine} from '../config/command-line.js';
import {type AnyValue, type OptionName, options} from '../config/options.js';
import {readValue} from '../config/values.js';
import {ProblemsError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {parseInteger} from '../lib/integer.js';
import {type Parsed} from '../lib/parsed.js';
import {type Token, tokenize} from './pflag.js';

export type ParsedCommandLine = CommandLine;

/** `argv` does not include the program's own name. Throws ProblemsError USAGE with all mistakes at once. */
export async function parseCommandLine(argv: readonly string[]): Promise<ParsedCommandLine> {
	const {flags, arguments: positionals, problems} = tokenize(argv);
	const readFlags = flags.map(token => ({token, parsed: read(token)}));
	const wrong = readFlags.filter(({parsed}) => parsed.problem !== undefined);
	const given = (...names: readonly OptionName[]) =>
		readFlags.find(({token, parsed}) => names.includes(token.flag.name) && Boolean(parsed.value))?.token.flag.name;
	// Options that print something and exit are accepted with values that they do not use, but not with values that
	// cannot be parsed.
	const answers = given('help', 'version', 'convertLegacyConfig', 'printDefaultConfig') !== undefined;
	if (problems.length > 0 || wrong.some(({token}) => !answers || !isReadable(token)))
		throw usageError([...problems, ...wrong.map(({token, parsed}) => describeProblem(token, parsed.problem ?? ''))]);
	const asked = given('convertLegacyConfig') ? undefined : (given('help') ?? given('version'));
	// Nothing more is loaded for these two.
	if (asked) return {values: new Map([[asked, true]]), arguments: positionals};
	return parseWithMeow(
		flags.filter(token => !wrong.some(one => one.token === token)),
		positionals,
	);
}

/**
 * Returns false for text that is not a number, boolean or list where one is required: a wrong syntax, not a wrong
 * value.
 */
function isReadable({flag: {option}, text}: Token): boolean {
	const isWord = ['string', 'words', 'choice', 'choices', 'mode', 'keep', 'interval', 'yesNo'].includes(option.kind);
	return isWord || parseInteger(text).problem === undefined;
}

/** Returns the error for mistakes on the command line, with a hint to the help. */
export function usageError(problems: readonly string[]): ProblemsError {
	return new ProblemsError(
		'USAGE',
		problems,
		'usage: pg_back [OPTION]... [DBNAME]...; run "pg_back --help" to list the options',
	);
}

function read({flag, text}: Token): Parsed<AnyValue> {
	return readValue(flag.option, text, 'command line');
}

function describeProblem({flag, spelling}: Token, problem: string): string {
	return `${spelling}: ${flag.option.secret ? 'malformed value' : display(problem)}`;
}

/**
 * Parses canonical tokens with meow, to avoid its other behavior: it throws a stack trace for a repeated option (so
 * each scalar is passed once, the last one), replaces a missing value by the default, makes NaN of a bad number and
 * strips quotes around values (so all values are text after a second `=`), and sets booleans that were not given.
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
			// The negative form wins regardless of its position, unless its value is false.
			if (negative ? on : words.get(name) !== `--no-${name}`)
				words.set(name, negative ? `--no-${name}` : `--${name}=${String(on)}`);
		}
	}
	return [...words.values()];
}

function valueOf(name: OptionName, guarded: unknown): AnyValue {
	return readValue(options[name], String(guarded).slice(1), 'command line').value;
}
