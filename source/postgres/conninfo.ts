/**
 * Connection strings by the rules of libpq (conninfo_parse and conninfo_uri_parse_options of fe-connect.c): what psql and pg_dump
 * accept is accepted, and means the same. Errors never show a value: it may be a password.
 */
import {PgBackError} from '../core/errors.js';
import {isKeyword, type Keyword, type Parameters} from './keywords.js';

const schemes = /^(?:postgresql|postgres):\/\//;

/** True for what libpq takes for a connection string where a database name may stand as well. */
export function isConnectionString(text: string): boolean {
	return schemes.test(text) || text.includes('=');
}

/** Parses a keyword string or a URI. Throws PgBackError CONFIG. */
export function parseConnectionString(text: string): Parameters {
	if (text.includes('\0')) throw invalid('it holds a NUL');
	const scheme = schemes.exec(text);
	return scheme ? parseUri(text.slice(scheme[0].length)) : parseKeywords(text);
}

function invalid(problem: string): PgBackError {
	return new PgBackError('CONFIG', `invalid connection string: ${problem}`, {
		hint: 'write "host=... port=... user=... dbname=..." or postgresql://user@host:port/database',
	});
}

function store(into: {-readonly [K in Keyword]?: string}, name: string, value: string): void {
	if (name === 'requiressl') into.sslmode = value.startsWith('1') ? 'require' : 'prefer';
	else if (isKeyword(name)) into[name] = value;
	else throw invalid(`unknown keyword ${shown(name)}`);
}

/** What stands where a keyword should may be a piece of a password that is not quoted. */
function shown(name: string): string {
	return /^[a-z_]{1,30}$/.test(name) ? `"${name}"` : '(not shown: it may be a piece of an unquoted password)';
}

/** Blanks of the C locale's isspace(). */
const blank = /[ \t\n\v\f\r]/;

function parseKeywords(text: string): Parameters {
	const parameters: {[K in Keyword]?: string} = {};
	// One keyword, "=", and a value: quoted, or up to a blank. In both, a backslash takes the next character as it is.
	const pair = /[ \t\n\v\f\r]*([^= \t\n\v\f\r]*)[ \t\n\v\f\r]*(=?)[ \t\n\v\f\r]*/y;
	const quoted = /'((?:[^'\\]|\\[^]|\\$)*)('?)/y;
	const bare = /(?:[^\\ \t\n\v\f\r]|\\[^]|\\$)*/y;
	let position = 0;
	const match = (pattern: RegExp) => {
		pattern.lastIndex = position;
		const found = pattern.exec(text);
		position = pattern.lastIndex;
		return found;
	};
	while (position < text.length) {
		const [, name = '', equals] = match(pair) ?? [];
		if (name === '' && equals === '' && position >= text.length) break;
		if (equals !== '=') throw invalid(`missing "=" after ${shown(name)}`);
		let value;
		if (text[position] === "'") {
			const found = match(quoted);
			if (found?.[2] !== "'") throw invalid(`the quoted value of ${shown(name)} has no end`);
			value = found[1] ?? '';
		} else value = match(bare)?.[0] ?? '';
		store(parameters, name, value.replaceAll(/\\([^]?)/g, '$1'));
	}
	return parameters;
}

function parseUri(text: string): Parameters {
	const parameters: {[K in Keyword]?: string} = {};
	let rest = text;
	const credentials = /^([^@/]*)@/.exec(text);
	if (credentials) {
		// The user ends at the first ":" or "@", the password at the first "@".
		const [, all = ''] = credentials;
		const colon = all.indexOf(':');
		const user = colon < 0 ? all : all.slice(0, colon);
		if (user !== '') store(parameters, 'user', decode(user));
		if (colon >= 0 && colon + 1 < all.length) store(parameters, 'password', decode(all.slice(colon + 1)));
		rest = text.slice(credentials[0].length);
	}
	const hosts: string[] = [];
	const ports: string[] = [];
	for (;;) {
		const {host, port, after} = parseHost(rest);
		hosts.push(host);
		ports.push(port);
		if (!after.startsWith(',')) {
			rest = after;
			break;
		}
		rest = after.slice(1);
	}
	// A comma without a host or a port beside it keeps the place of the others.
	if (hosts.join(',') !== '') store(parameters, 'host', decode(hosts.join(',')));
	if (ports.join(',') !== '') store(parameters, 'port', decode(ports.join(',')));
	const path = /^\/([^?]*)/.exec(rest);
	if (path) {
		if (path[1]) store(parameters, 'dbname', decode(path[1]));
		rest = rest.slice(path[0].length);
	}
	if (rest.length > 1) parseQuery(parameters, rest.slice(1));
	return parameters;
}

function parseHost(text: string): {host: string; port: string; after: string} {
	const bracketed = text.startsWith('[');
	if (bracketed && !text.includes(']')) throw invalid('an IPv6 address has no "]"');
	const [all = '', address, name] = (bracketed ? /^\[([^\]]*)\]/ : /^()([^:/?,]*)/).exec(text) ?? [];
	const host = bracketed ? (address ?? '') : (name ?? '');
	const after = text.slice(all.length);
	if (bracketed && host === '') throw invalid('an IPv6 address is empty');
	if (bracketed && after !== '' && !/^[:/?,]/.test(after))
		throw invalid('":" or "/" is expected after an IPv6 address');
	const [colon = '', port = ''] = /^:([^/?,]*)/.exec(after) ?? [];
	return {host, port, after: after.slice(colon.length)};
}

function parseQuery(parameters: Parameters, query: string): void {
	for (const [index, part] of query.split('&').entries()) {
		if (part === '' && index === query.split('&').length - 1) return;
		const pieces = part.split('=');
		const name = decode(pieces[0] ?? '');
		if (pieces.length < 2) throw invalid(`the parameter ${shown(name)} has no "="`);
		if (pieces.length > 2) throw invalid(`the parameter ${shown(name)} has more than one "="`);
		const value = decode(pieces[1] ?? '');
		if (name === 'ssl' && value === 'true')
			store(parameters, 'sslmode', 'require'); // as JDBC writes it
		else store(parameters, name, value);
	}
}

function decode(text: string): string {
	if (/%(?![0-9A-Fa-f]{2})/.test(text)) throw invalid('"%" is not followed by two hexadecimal digits');
	if (text.includes('%00')) throw invalid('"%00" is not allowed');
	try {
		return decodeURIComponent(text);
	} catch {
		throw invalid('a percent-encoded value is not UTF-8');
	}
}

/** A keyword string, keywords in order; every value reads back as it was. */
export function formatKeywords(parameters: Parameters): string {
	return Object.entries(parameters)
		.toSorted(([a], [b]) => (a < b ? -1 : 1))
		.map(([name, value]) => `${name}=${quoteValue(value)}`)
		.join(' ');
}

/** One value of a keyword string. */
export function quoteValue(value: string): string {
	const escaped = value.replaceAll(/[\\']/g, '\\$&');
	return value === '' || blank.test(value) || /[='\\]/.test(value) ? `'${escaped}'` : escaped;
}
