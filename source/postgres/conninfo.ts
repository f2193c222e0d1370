/**
 * Parses connection strings by the rules of libpq (conninfo_parse and conninfo_uri_parse_options of fe-connect.c): the
 * same strings are accepted as in psql and pg_dump, with the same meaning. Errors never contain a value, which may be a
 * password.
 */
import {PgBackError} from '../core/errors.js';
import {atCharacter} from '../lib/position.js';
import {encodeRaw, hasRawBytes} from '../lib/raw-text.js';
import {isKeyword, type Keyword, type Parameters} from './keywords.js';

const schemes = /^(?:postgresql|postgres):\/\//;

/** Returns true for text that libpq treats as a connection string instead of a database name. */
export function isConnectionString(text: string): boolean {
	return schemes.test(text) || text.includes('=');
}

/** Parses a keyword string or a URI. Throws PgBackError CONFIG. */
export function parseConnectionString(text: string): Parameters {
	if (text.includes('\0')) throw invalid(text, text.indexOf('\0'), 'it contains a NUL');
	const scheme = schemes.exec(text);
	return scheme ? parseUri(text, scheme[0].length) : parseKeywords(text);
}

/** Creates the error. `at` is an index into `text`. */
function invalid(text: string, at: number, problem: string): PgBackError {
	return new PgBackError('CONFIG', `invalid connection string: ${problem} ${atCharacter(text, at)}`, {
		hint: 'write "host=... port=... user=... dbname=..." or postgresql://user@host:port/database',
	});
}

/** The parameters so far, and the text that is parsed. */
type Reading = {readonly text: string; readonly parameters: {[K in Keyword]?: string}};

/** Stores a parameter. `at` is the index of its name. */
function store({text, parameters}: Reading, at: number, name: string, value: string): void {
	if (name === 'requiressl') parameters.sslmode = value.startsWith('1') ? 'require' : 'prefer';
	else if (isKeyword(name)) parameters[name] = value;
	else throw invalid(text, at, `unknown keyword ${shown(name)}`);
}

/** Escapes a keyword for an error; an unknown one may be a piece of a password that is not quoted. */
function shown(name: string): string {
	return /^[a-z_]{1,30}$/.test(name) ? `"${name}"` : '(not shown: it may be part of an unquoted password)';
}

/** White space of the C locale's isspace(). */
const blank = /[ \t\n\v\f\r]/;

function parseKeywords(text: string): Parameters {
	const reading: Reading = {text, parameters: {}};
	// One keyword, "=", and a value: quoted, or up to a space. In both, a backslash quotes the next character.
	const pair = /([^= \t\n\v\f\r]*)[ \t\n\v\f\r]*(=?)[ \t\n\v\f\r]*/y;
	const quoted = /'((?:[^'\\]|\\[^]|\\$)*)('?)/y;
	const bare = /(?:[^\\ \t\n\v\f\r]|\\[^]|\\$)*/y;
	const blanks = /[ \t\n\v\f\r]*/y;
	let position = 0;
	const match = (pattern: RegExp) => {
		pattern.lastIndex = position;
		const found = pattern.exec(text);
		position = pattern.lastIndex;
		return found;
	};
	for (match(blanks); position < text.length; match(blanks)) {
		const at = position;
		const [, name = '', equals] = match(pair) ?? [];
		if (equals !== '=') throw invalid(text, position, `missing "=" after ${shown(name)}`);
		const opened = position;
		let value;
		if (text[position] === "'") {
			const found = match(quoted);
			if (found?.[2] !== "'") throw invalid(text, opened, `unterminated quoted value of ${shown(name)}, which begins`);
			value = found[1] ?? '';
		} else value = match(bare)?.[0] ?? '';
		store(reading, at, name, value.replaceAll(/\\([^]?)/g, '$1'));
	}
	return reading.parameters;
}

function parseUri(text: string, start: number): Parameters {
	const reading: Reading = {text, parameters: {}};
	let position = start;
	const credentials = /^([^@/]*)@/.exec(text.slice(start));
	if (credentials) {
		// The user ends at the first ":" or "@", the password at the first "@".
		const [, all = ''] = credentials;
		const colon = all.indexOf(':');
		const user = colon < 0 ? all : all.slice(0, colon);
		if (user !== '') store(reading, position, 'user', decode(text, position, user));
		const password = colon < 0 ? '' : all.slice(colon + 1);
		if (password !== '') store(reading, position, 'password', decode(text, position + colon + 1, password));
		position += credentials[0].length;
	}
	const hosts: string[] = [];
	const ports: string[] = [];
	for (let more = true; more;) {
		const {host, port, end} = parseHost(text, position);
		hosts.push(host);
		ports.push(port);
		more = text[end] === ',';
		position = more ? end + 1 : end;
	}
	// A comma without a host or a port keeps the position of the others.
	if (hosts.join(',') !== '') store(reading, start, 'host', hosts.join(','));
	if (ports.join(',') !== '') store(reading, start, 'port', ports.join(','));
	const path = /^\/([^?]*)/.exec(text.slice(position));
	if (path) {
		if (path[1]) store(reading, position, 'dbname', decode(text, position + 1, path[1]));
		position += path[0].length;
	}
	if (position + 1 < text.length) parseQuery(reading, position + 1);
	return reading.parameters;
}

type Host = {readonly host: string; readonly port: string; /** Index of what follows. */ readonly end: number};

function parseHost(text: string, start: number): Host {
	const hostPattern = /\[([^\]]*)\]|([^:/?,[][^:/?,]*|)/y;
	hostPattern.lastIndex = start;
	const bracketed = text[start] === '[';
	const [all, address = '', name = ''] = hostPattern.exec(text) ?? [];
	if (bracketed && !all) throw invalid(text, start, 'an IPv6 address has no closing "]", which begins');
	if (bracketed && address === '') throw invalid(text, start, 'an IPv6 address is empty');
	const after = start + (all ?? '').length;
	if (bracketed && after < text.length && !/[:/?,]/.test(text[after] ?? ''))
		throw invalid(text, after, '":" or "/" expected after an IPv6 address');
	const portPattern = /:([^/?,]*)|/y;
	portPattern.lastIndex = after;
	const [colon = '', port = ''] = portPattern.exec(text) ?? [];
	return {
		host: decode(text, start, bracketed ? address : name),
		port: decode(text, after + 1, port),
		end: after + colon.length,
	};
}

function parseQuery(reading: Reading, start: number): void {
	const {text} = reading;
	let at = start;
	for (const part of text.slice(start).split('&')) {
		if (part === '' && at === text.length) return;
		const pieces = part.split('=');
		const name = decode(text, at, pieces[0] ?? '');
		if (pieces.length < 2) throw invalid(text, at, `the parameter ${shown(name)} has no "="`);
		if (pieces.length > 2) throw invalid(text, at, `the parameter ${shown(name)} has more than one "="`);
		const value = decode(text, at + (pieces[0] ?? '').length + 1, pieces[1] ?? '');
		if (name === 'ssl' && value === 'true')
			store(reading, at, 'sslmode', 'require'); // as JDBC writes it
		else store(reading, at, name, value);
		at += part.length + 1;
	}
}

/** Decodes `part`, which begins at the index `at` of `text`. */
function decode(text: string, at: number, part: string): string {
	const broken = /%(?![0-9A-Fa-f]{2})/.exec(part);
	if (broken) throw invalid(text, at + broken.index, '"%" is not followed by two hexadecimal digits');
	if (part.includes('%00')) throw invalid(text, at + part.indexOf('%00'), '"%00" is not allowed');
	try {
		return decodeURIComponent(part);
	} catch {
		throw invalid(text, at, 'a percent-encoded value is not UTF-8');
	}
}

/** Formats parameters as a keyword string, sorted by keyword; parsing it returns the same values. */
export function formatKeywords(parameters: Parameters): string {
	return sorted(parameters)
		.map(([name, value]) => `${name}=${quoteValue(value)}`)
		.join(' ');
}

/**
 * Formats parameters for an argument of a child: as a keyword string, or as a URI if a name has bytes that are not UTF-8,
 * which no argument of ours can contain.
 */
export function formatArgument(parameters: Parameters): string {
	if (!Object.values(parameters).some(hasRawBytes)) return formatKeywords(parameters);
	return `postgresql://?${sorted(parameters)
		.map(([name, value]) => `${name}=${percentEncoded(value)}`)
		.join('&')}`;
}

function sorted(parameters: Parameters): readonly [string, string][] {
	return Object.entries(parameters).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function percentEncoded(value: string): string {
	return [...encodeRaw(value)].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

/** Quotes one value of a keyword string. */
export function quoteValue(value: string): string {
	const escaped = value.replaceAll(/[\\']/g, '\\$&');
	return value === '' || blank.test(value) || /[='\\]/.test(value) ? `'${escaped}'` : escaped;
}
