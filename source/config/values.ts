/** From the text of an option to its value, by the rules of its kind. */
import {parseCsvRecord, parseEscapedList} from '../lib/comma-list.js';
import {compressionMethods, parseCompression} from '../lib/compression.js';
import {parseDuration, parseInterval} from '../lib/duration.js';
import {parseBytes, parseInteger} from '../lib/integer.js';
import {type Parsed} from '../lib/parsed.js';
import {splitWords} from '../lib/shell-words.js';
import {didYouMean, nearest} from '../lib/suggest.js';
import {type AnyValue, type Option} from './options.js';

/** Where a text stands: lists and booleans are spelled differently. */
export type Source = 'file' | 'command line';

/** The value that `text` means. The problem, if there is one, does not name the option. */
export function readValue(option: Option, text: string, source: Source): Parsed<AnyValue> {
	if (text.includes('\0')) return {problem: 'a NUL character cannot be part of a value'};
	switch (option.kind) {
		case 'boolean':
			return source === 'file' ? readFileBoolean(text) : readFlag(text);
		case 'yesNo':
			return source === 'file' ? readFileBoolean(text) : readYesNo(text);
		case 'integer':
			return inRange(option, parseInteger(text));
		case 'bytes':
			return inRange(option, parseBytes(text));
		case 'duration':
			return inRange(option, parseDuration(text));
		case 'seconds':
			return inRange(option, readSeconds(text));
		case 'compression':
			return readCompression(text);
		case 'mode':
			return readMode(text);
		case 'keep':
			return readKeep(text);
		case 'interval':
			return parseInterval(text);
		case 'choice':
			return readChoice(option, text);
		case 'list':
			return source === 'file' ? {value: parseEscapedList(text)} : parseCsvRecord(text);
		case 'words':
			return readWords(text);
		case 'string':
			return option.required && text === '' ? {problem: 'must not be empty'} : {value: text};
	}
}

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

/** The word of the two that `text` comes near, by its letters or by its sense. */
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

/** Starts with 0 and has at most five characters, or is negative; the rest is Go's base-0 syntax. Zero and less: umask. */
function readMode(text: string): Parsed<number | undefined> {
	const parsed = parseInteger(text);
	const wellFormed = text.startsWith('-') || (text.startsWith('0') && text.length <= 5);
	if (!wellFormed || parsed.problem !== undefined) {
		const meant = /^[0-7]{3}$/.test(text) ? `, did you mean 0${text}?` : '';
		return {problem: `${JSON.stringify(text)} is not a mode, use an octal number such as 0600, or -1${meant}`};
	}
	return {value: parsed.value <= 0 ? undefined : parsed.value & 0o777};
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

/** The choices that may be given now. */
export function choicesOf(option: Option & {readonly kind: 'choice'}): readonly string[] {
	return option.choices.filter(choice => !option.pendingChoices?.includes(choice));
}

function readChoice(option: Option & {readonly kind: 'choice'}, text: string): Parsed<string> {
	const word = option.anyCase ? text.trim().toLowerCase() : text;
	const value = option.aliases && Object.hasOwn(option.aliases, word) ? option.aliases[word] : word;
	const choices = choicesOf(option);
	if (value !== undefined && choices.includes(value)) return {value};
	return {problem: `${JSON.stringify(text)} is not one of ${choices.join(', ')}${didYouMean(word, choices)}`};
}

function readWords(text: string): Parsed<readonly string[]> {
	const parsed = splitWords(text);
	if (parsed.problem === undefined && text !== '' && parsed.value.length === 0)
		return {problem: 'there are only blanks'};
	return parsed;
}
