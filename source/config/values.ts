/** Parses the text of an option to its value, by the rules of its kind. */
import {parseCsvRecord, parseEscapedList, parsePatternList} from '../lib/comma-list.js';
import {compressionMethods, parseCompression} from '../lib/compression.js';
import {parseDuration, parseInterval} from '../lib/duration.js';
import {parseBytes, parseInteger} from '../lib/integer.js';
import {type Parsed} from '../lib/parsed.js';
import {shellSyntax, splitWords} from '../lib/shell-words.js';
import {didYouMean, nearest} from '../lib/suggest.js';
import {type AnyValue, type Option} from './options.js';

/** The origin of a text: lists and booleans have different syntax. */
export type Source = 'file' | 'command line';

/** Returns the value of `text`. The problem, if there is one, does not name the option. */
export function readValue(option: Option, text: string, source: Source): Parsed<AnyValue> {
	if (text.includes('\0')) return {problem: 'a value cannot contain a NUL character'};
	// The parser of a kind accepts the options of that kind.
	const read = readers[option.kind] as Reader;
	return read(option, text, source);
}

type Reader<O = Option> = (option: O, text: string, source: Source) => Parsed<AnyValue>;

const readers: {readonly [K in Option['kind']]: Reader<Option & {readonly kind: K}>} = {
	boolean: (_, text, source) => (source === 'file' ? readFileBoolean(text) : readFlag(text)),
	yesNo: (_, text, source) => (source === 'file' ? readFileBoolean(text) : readYesNo(text)),
	integer: (option, text) => inRange(option, parseInteger(text)),
	bytes: (option, text) => inRange(option, parseBytes(text)),
	duration: (option, text) => inRange(option, parseDuration(text)),
	seconds: (option, text) => inRange(option, readSeconds(text)),
	compression: (_, text) => readCompression(text),
	mode: (_, text) => readMode(text),
	keep: (_, text) => readKeep(text),
	interval: (_, text) => parseInterval(text),
	percent: (_, text) => readPercent(text),
	choice: readChoice,
	choices: readChoices,
	list: readList,
	words: readWords,
	string: ({required}, text) => (required && text === '' ? {problem: 'must not be empty'} : {value: text}),
};

const fileTrue = ['1', 't', 'T', 'true', 'TRUE', 'True', 'y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'];
const fileFalse = ['0', 'f', 'F', 'false', 'FALSE', 'False', 'n', 'no', 'No', 'NO', 'off', 'Off', 'OFF'];

function readFileBoolean(text: string): Parsed<boolean> {
	if (fileTrue.includes(text)) return {value: true};
	if (fileFalse.includes(text)) return {value: false};
	return notBoolean(text);
}

function readFlag(text: string): Parsed<boolean> {
	if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return {value: true};
	if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return {value: false};
	return notBoolean(text);
}

function notBoolean(text: string): {readonly problem: string} {
	return {
		problem: `${JSON.stringify(text)} is not a boolean, use true or false${likelyBoolean(text, 'true', 'false')}`,
	};
}

function readYesNo(text: string): Parsed<boolean> {
	const word = text.trim().toLowerCase();
	if (word === 'y' || word === 'yes') return {value: true};
	if (word === 'n' || word === 'no') return {value: false};
	return {problem: `${JSON.stringify(text)} is neither yes nor no${likelyBoolean(text, 'yes', 'no')}`};
}

/** Suggests the word that `text` resembles in its letters or in its meaning. */
function likelyBoolean(text: string, yes: string, no: string): string {
	const word = text.trim().toLowerCase();
	const found = nearest(word, ['true', 'yes', 'on', 'enabled', '1', 'false', 'no', 'off', 'disabled', '0']);
	if (found === undefined && word.length !== 1) return '';
	const meant = ['true', 'yes', 'on', 'enabled'].includes(found ?? '') || /^[1ty]$/.test(word);
	const refused = ['false', 'no', 'off', 'disabled'].includes(found ?? '') || /^[0fn]$/.test(word);
	return meant ? `, did you mean ${yes}?` : refused ? `, did you mean ${no}?` : '';
}

function readSeconds(text: string): Parsed<number> {
	const parsed = parseInteger(text);
	if (parsed.problem === undefined) return parsed;
	const duration = parseDuration(text);
	if (duration.problem === undefined) return {value: duration.value / 1000};
	return {problem: duration.problem.replace('is not a duration', 'is neither a number of seconds nor a duration')};
}

function readCompression(text: string): Parsed<number | string> {
	const parsed = parseCompression(text);
	if (parsed.problem === undefined) return parsed;
	const [method = ''] = text.trim().split(/[^A-Za-z0-9]/);
	const known = (compressionMethods as readonly string[]).includes(method);
	return {problem: `${parsed.problem}${known ? '' : didYouMean(method, [...compressionMethods, 'auto'])}`};
}

function inRange(
	option: {readonly minimum?: number; readonly maximum?: number},
	parsed: Parsed<number>,
): Parsed<number> {
	if (parsed.problem !== undefined) return parsed;
	const {minimum, maximum} = option;
	if ((minimum === undefined || parsed.value >= minimum) && (maximum === undefined || parsed.value <= maximum))
		return parsed;
	return {
		problem:
			maximum === undefined ? `must be at least ${minimum ?? 0}` : `must be in the range ${minimum ?? 0} to ${maximum}`,
	};
}

/**
 * Parses a mode: it starts with 0 and has at most five characters, or is negative; otherwise Go's base-0 syntax. Zero
 * and negative: umask.
 */
function readMode(text: string): Parsed<number | undefined> {
	const parsed = parseInteger(text);
	const wellFormed = text.startsWith('-') || (text.startsWith('0') && text.length <= 5);
	if (!wellFormed || parsed.problem !== undefined) {
		const meant = /^[0-7]{3}$/.test(text) ? `, did you mean 0${text}?` : '';
		return {problem: `${JSON.stringify(text)} is not a mode, use an octal number such as 0600, or -1${meant}`};
	}
	return {value: parsed.value <= 0 ? undefined : parsed.value & 0o777};
}

function readPercent(text: string): Parsed<number> {
	const word = text.trim();
	if (word === 'off') return {value: 0};
	const number = /^(\d{1,3}(?:\.\d{1,6})?)\s*%?$/.exec(word)?.[1];
	if (number === undefined) return {problem: `${JSON.stringify(text)} is neither a percentage such as 20% nor off`};
	return inRange({minimum: 0, maximum: 100}, {value: Number(number)});
}

function readKeep(text: string): Parsed<number> {
	if (text === 'all') return {value: Number.POSITIVE_INFINITY};
	if (!/^[-+]?\d+$/.test(text)) {
		const number = text.trim();
		const meant = /^\d+$/.test(number) ? `, did you mean ${number}?` : didYouMean(number, ['all']);
		return {problem: `${JSON.stringify(text)} is neither a whole number nor all${meant}`};
	}
	const value = Number(text) || 0;
	return value < 0 ? {problem: 'must not be negative'} : {value};
}

function readChoice(option: Option & {readonly kind: 'choice'}, text: string): Parsed<string> {
	const word = option.anyCase ? text.trim().toLowerCase() : text;
	const value = option.aliases && Object.hasOwn(option.aliases, word) ? option.aliases[word] : word;
	const {choices} = option;
	if (value !== undefined && choices.includes(value)) return {value};
	return {problem: `${JSON.stringify(text)} is not one of ${choices.join(', ')}${didYouMean(word, choices)}`};
}

function readChoices({choices}: Option & {readonly kind: 'choices'}, text: string): Parsed<readonly string[]> {
	const words = text.split(',').map(word => word.trim().toLowerCase());
	if (words.length === 1 && words[0] === 'none') return {value: []};
	const unknown = words.find(word => !choices.includes(word));
	if (unknown === 'none') return {problem: `${JSON.stringify(text)} names none together with others`};
	if (unknown !== undefined) {
		const shown = JSON.stringify(words.length === 1 ? text : unknown);
		return {problem: `${shown} is not one of none, ${choices.join(', ')}${didYouMean(unknown, ['none', ...choices])}`};
	}
	const twice = words.find((word, index) => words.indexOf(word) !== index);
	return twice === undefined ? {value: words} : {problem: `${JSON.stringify(text)} names ${twice} twice`};
}

function readList({items}: Option & {readonly kind: 'list'}, text: string, source: Source): Parsed<readonly string[]> {
	if (source === 'file') return {value: parseEscapedList(text)};
	return items === 'patterns' ? parsePatternList(text) : parseCsvRecord(text);
}

function readWords(option: Option & {readonly kind: 'words'}, text: string): Parsed<readonly string[]> {
	const parsed = splitWords(text);
	const syntax = option.refusesShellSyntax && parsed.problem === undefined ? shellSyntax(text) : undefined;
	if (syntax !== undefined) {
		return {
			problem: `no shell is used: ${syntax} would be passed literally, write sh -c '…' or put it in single quotes`,
		};
	}
	if (parsed.problem === undefined && text !== '' && parsed.value.length === 0)
		return {problem: 'the value contains only spaces'};
	return parsed;
}
