/**
 * The spelling rules of pg_back's command line (those of Go's pflag): bundles `-tqv`, glued values `-Fc` and `-x=v`, a
 * value that begins with `-` after `--name`, `--flag=false`, a lone `-`, `--`. Unlike there all mistakes are found at once.
 */
import {longFlags, shortFlags, type Flag} from '../config/options.js';
import {choicesOf} from '../config/values.js';
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
	const flags: Token[] = [];
	const positionals: string[] = [];
	const problems: string[] = [];
	const rest = [...argv];
	const add = (flag: Flag, text: string | undefined, spelling: string) => {
		if (text === undefined) problems.push(`option ${spelling} needs a value`);
		else flags.push({flag, text, spelling});
	};
	for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
		if (word === '--') {
			positionals.push(...rest);
			break;
		}
		if (!word.startsWith('-') || word === '-') positionals.push(word);
		else if (word.startsWith('--')) readLong(word);
		else readShort(word.slice(1), word);
	}
	return {flags, arguments: positionals, problems};

	function readLong(word: string): void {
		const [, name = '', text] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
		const flag = longFlags.get(name);
		if (name === '' || name.startsWith('-')) problems.push(`bad option syntax: ${display(word)}`);
		else if (flag === undefined) {
			problems.push(`unknown option --${display(name)}${didYouMean(name, [...longFlags.keys()], '--')}`);
		} else add(flag, text ?? valueAfter(flag), `--${name}`);
	}

	function readShort(letters: string, word: string): void {
		const letter = String.fromCodePoint(letters.codePointAt(0) ?? 0);
		const after = letters.slice(letter.length);
		const flag = shortFlags.get(letter);
		const spelling = `-${letter}`;
		if (flag === undefined) {
			const inside = word === spelling ? '' : ` in ${display(word)}`;
			problems.push(
				`unknown option ${display(spelling)}${inside}${didYouMean(word.slice(1), [...longFlags.keys()], '--')}`,
			);
		} else if (after.length > 1 && after.startsWith('=')) add(flag, after.slice(1), spelling);
		else if (flag.option.kind === 'boolean') {
			add(flag, 'true', spelling);
			if (after !== '') readShort(after, word);
		} else add(flag, after === '' ? valueAfter(flag) : after, spelling);
	}

	function valueAfter({option}: Flag): string | undefined {
		if (option.kind === 'boolean') return 'true';
		if (option.implied === undefined) return rest.shift();
		const next = rest[0]?.toLowerCase();
		const isValue =
			option.takesNext && option.kind === 'choice' && next !== undefined && choicesOf(option).includes(next);
		return isValue ? rest.shift() : option.implied;
	}
}
