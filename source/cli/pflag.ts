/**
 * The syntax of pg_back's command line (that of Go's pflag): bundles `-tqv`, attached values `-Fc` and `-x=v`, a value
 * that begins with `-` after `--name`, `--flag=false`, a lone `-`, `--`. Unlike pflag, all mistakes are found at once.
 */
import {type Flag, longFlags, shortFlags} from '../config/options.js';
import {display} from '../lib/display.js';
import {didYouMean} from '../lib/suggest.js';

/** One occurrence of a flag, with the text of its value. */
export type Token = {readonly flag: Flag; readonly text: string; readonly spelling: string};

export type Tokens = {
	readonly flags: readonly Token[];
	readonly arguments: readonly string[];
	readonly problems: readonly string[];
};

export function tokenize(argv: readonly string[]): Tokens {
	const found: Found[] = [];
	const positionals: string[] = [];
	const rest = [...argv];
	for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
		if (word === '--') {
			positionals.push(...rest.splice(0));
		} else if (!word.startsWith('-') || word === '-') {
			positionals.push(word);
		} else {
			found.push(...(word.startsWith('--') ? [readLong(word, rest)] : readShort(word, rest)));
		}
	}
	const flags = found.filter(one => typeof one !== 'string');
	const problems = found.filter(one => typeof one === 'string');
	return {flags, arguments: positionals, problems};
}

/** A token, or an error. `rest` loses the value if that is the next argument. */
type Found = Token | string;

function readLong(word: string, rest: string[]): Found {
	const [, name = '', text] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
	if (name === '' || name.startsWith('-')) return `bad option syntax: ${display(word)}`;
	const flag = longFlags.get(name);
	if (flag === undefined) return `unknown option --${display(name)}${didYouMean(name, [...longFlags.keys()], '--')}`;
	return withValue(flag, text ?? valueAfter(flag, rest), `--${name}`);
}

/** Parses a bundle: all letters of `word` except the last are booleans. */
function readShort(word: string, rest: string[]): readonly Found[] {
	const found: Found[] = [];
	const letters = Array.from(word.slice(1));
	for (const [index, letter] of letters.entries()) {
		const spelling = `-${letter}`;
		const flag = shortFlags.get(letter);
		const after = letters.slice(index + 1).join('');
		if (flag === undefined) {
			const inside = word === spelling ? '' : ` in ${display(word)}`;
			const hint = didYouMean(word.slice(1), [...longFlags.keys()], '--');
			return [...found, `unknown option ${display(spelling)}${inside}${hint}`];
		}
		const glued = after.length > 1 && after.startsWith('=');
		if (glued || flag.option.kind !== 'boolean') {
			const text = glued ? after.slice(1) : after === '' ? valueAfter(flag, rest) : after;
			return [...found, withValue(flag, text, spelling)];
		}
		found.push({flag, text: 'true', spelling});
	}
	return found;
}

function withValue(flag: Flag, text: string | undefined, spelling: string): Found {
	return text === undefined ? `option ${spelling} needs a value` : {flag, text, spelling};
}

function valueAfter({option}: Flag, rest: string[]): string | undefined {
	if (option.kind === 'boolean') return 'true';
	if (option.implied === undefined) return rest.shift();
	const next = rest[0]?.toLowerCase();
	const isValue =
		option.takesNext &&
		option.kind === 'choice' &&
		next !== undefined &&
		(option.choices.includes(next) || Object.hasOwn(option.aliases ?? {}, next));
	return isValue ? rest.shift() : option.implied;
}
