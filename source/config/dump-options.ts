/**
 * Options in `pg_dump_options` that pg_back has its own setting for. pg_dump would obey the last one, while pg_back
 * names, places and checks the file by its own setting. Pure.
 */
import {type DumpFormat, dumpFormats} from '../core/formats.js';
import {type Compression, parseCompression} from '../lib/compression.js';
import {display} from '../lib/display.js';
import type {Parsed} from '../lib/parsed.js';

export type DumpOptions = {
	/** As in `-Fp`: it replaces `format`. */
	readonly format?: DumpFormat;
	/** As in `-Z 5`: it replaces `compress_level`. */
	readonly compression?: Compression;
	/** The other words, unchanged. */
	readonly words: readonly string[];
};

/** Short options of any pg_dump whose value is the rest of the word, or the next word. */
const takesValue = /[dEeFfhjNnpSTtUZ]/;

/** Long options whose value may be the next word. */
const longWithValue =
	/^--(?:jobs|lock-wait-timeout|encoding|(?:exclude-)?extension|(?:exclude-)?schema|superuser|(?:exclude-)?table(?:-data)?(?:-and-children)?|extra-float-digits|include-foreign-data|rows-per-insert|section|snapshot|role|restrict-key|filter|sync-method)$/;

type OwnOption = {
	readonly letter: string;
	readonly long: string;
	/** The shortest abbreviation that only this option of any pg_dump has. */
	readonly least: number;
	/** Why it is refused. */
	readonly refused?: string;
};

const ownOptions: readonly OwnOption[] = [
	{letter: 'F', long: 'format', least: 2},
	{letter: 'Z', long: 'compress', least: 3},
	{letter: 'f', long: 'file', least: 2, refused: 'pg_back decides where the dump is written'},
	{letter: 'd', long: 'dbname', least: 2, refused: 'pg_back decides which database is dumped'},
	{letter: 'h', long: 'host', least: 2, refused: 'use host'},
	{letter: 'p', long: 'port', least: 2, refused: 'use port'},
	{letter: 'U', long: 'username', least: 4, refused: 'use user'},
	{letter: 'W', long: 'password', least: 2, refused: 'no dump can ask for a password: use a password file'},
];

/** Returns the problem of an option that contradicts what pg_back itself decides. */
export function readDumpOptions(words: readonly string[]): Parsed<DumpOptions> {
	const others: string[] = [];
	let format: DumpFormat | undefined;
	let compression: Compression | undefined;
	const rest = [...words];
	for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
		if (word === '--') return {problem: '-- cannot be used: pg_back adds options after it'};
		const found = ownOptionIn(word);
		if (found === undefined) {
			others.push(word);
			if (endsInOption(word) && rest.length > 0) others.push(rest.shift() ?? '');
			continue;
		}
		const {option, before} = found;
		if (option.refused !== undefined) return {problem: `${display(found.shown)} cannot be used: ${option.refused}`};
		if (before !== '') others.push(before);
		const value = found.value ?? rest.shift();
		if (value === undefined) return {problem: `${display(found.shown)} has no value`};
		if (option.letter === 'F') {
			format = formatOf(value);
			if (format === undefined) return {problem: `${JSON.stringify(value)} is not a format of pg_dump`};
		} else {
			const parsed = parseCompression(value);
			if (parsed.problem !== undefined) return parsed;
			compression = parsed.value;
		}
	}
	return {value: {words: others, ...(format && {format}), ...(compression !== undefined && {compression})}};
}

type Found = {
	readonly option: OwnOption;
	/** The option as it is written, without its value. */
	readonly shown: string;
	readonly value: string | undefined;
	/** The options before it in a word such as `-vFp`. */
	readonly before: string;
};

function ownOptionIn(word: string): Found | undefined {
	if (word.startsWith('--')) {
		const [, name = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
		const option = ownOptions.find(({long, least}) => name.length >= least && long.startsWith(name));
		return option && {option, shown: `--${name}`, value, before: ''};
	}
	const at = optionWithValue(word);
	const letter = word.slice(1, at).includes('W') ? 'W' : word.charAt(at);
	const option = word.startsWith('-') ? ownOptions.find(one => one.letter === letter) : undefined;
	if (option === undefined) return undefined;
	const value = word.slice(at + 1);
	return {
		option,
		shown: `-${letter}`,
		value: value === '' ? undefined : value,
		before: at > 1 ? word.slice(0, at) : '',
	};
}

/** Returns the position of the first letter with a value, or the length of the word. */
function optionWithValue(word: string): number {
	const position = word.slice(1).search(takesValue);
	return position === -1 ? word.length : position + 1;
}

/** Returns true for an option whose value is the next word. */
function endsInOption(word: string): boolean {
	if (word.startsWith('--')) return longWithValue.test(word);
	return /^-./.test(word) && optionWithValue(word) === word.length - 1;
}

/** As pg_dump parses it: a letter or the whole word, in any case. */
function formatOf(text: string): DumpFormat | undefined {
	const word = text.toLowerCase();
	return dumpFormats.find(name => name === word || (word.length === 1 && name.startsWith(word)));
}
