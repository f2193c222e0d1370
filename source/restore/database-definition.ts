/**
 * The definition of the database in an archive: creation options, properties and privileges. Only known statements are
 * accepted.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {identifier, literal} from '../postgres/quote.js';
import {begins, isPlain, nameOf, splitStatements, type Statement, type Token} from '../postgres/sql-statements.js';

export type DatabaseDefinition = {
	readonly name: string;
	readonly owner: string | undefined;
	readonly encoding: string | undefined;
	readonly provider: 'libc' | 'icu' | 'builtin';
	/** The libc locale. */
	readonly collate: string | undefined;
	readonly characterType: string | undefined;
	/** The locale of ICU or the builtin provider. */
	readonly providerLocale: string | undefined;
	readonly icuRules: string | undefined;
	readonly tablespace: string | undefined;
	/** -1 for no limit. */
	readonly connectionLimit: number;
	readonly isTemplate: boolean;
	readonly comment: string | undefined;
	/**
	 * Statements without their terminator: settings of the database and of roles in it. They are completed with the name
	 * of the database.
	 */
	readonly settings: readonly DatabaseStatement[];
	readonly privileges: readonly DatabaseStatement[];
	readonly labels: readonly DatabaseStatement[];
	/** Decodes text with raw bytes in the encoding of the database, see `definitionDecoder`. */
	readonly legible: (text: string) => string;
};

export type DatabaseStatement = {
	/** Returns the statement with another database name. */
	readonly on: (name: string) => string;
	/** The roles that it names. */
	readonly roles: readonly string[];
	/** The name of the setting, if it sets one. */
	readonly setting?: string;
	/** The role that granted a privilege, if that is not the owner. It is among `roles`. */
	readonly grantor?: string;
};

type Draft = {-readonly [K in keyof DatabaseDefinition]: DatabaseDefinition[K]} & {
	settings: DatabaseStatement[];
	privileges: DatabaseStatement[];
	labels: DatabaseStatement[];
	/** The token of the role that grants what follows, if that is not the owner. */
	grantor: Token | undefined;
};

/** Returns the definition for a dump without one: the database becomes a copy of template0. */
export function bareDefinition(name: string): DatabaseDefinition {
	return {
		name,
		owner: undefined,
		encoding: undefined,
		provider: 'libc',
		collate: undefined,
		characterType: undefined,
		providerLocale: undefined,
		icuRules: undefined,
		tablespace: undefined,
		connectionLimit: -1,
		isTemplate: false,
		comment: undefined,
		settings: [],
		privileges: [],
		labels: [],
		legible: text => text,
	};
}

type ParseOptions = {
	readonly name: string;
	readonly owner: string | undefined;
	readonly standardStrings?: boolean;
	readonly legible?: (text: string) => string;
};

/**
 * Parses the definition. `texts` are the definitions of the archive's entries for its database, or its createdb.sql,
 * with `standard_conforming_strings` as `standardStrings` says. Throws CORRUPT for any other statement.
 */
export function parseDatabase(
	texts: readonly string[],
	{name, owner, standardStrings = true, legible = text => text}: ParseOptions,
): DatabaseDefinition {
	const lists = {settings: [], privileges: [], labels: []};
	const draft: Draft = {...bareDefinition(name), owner, ...lists, legible, grantor: undefined};
	for (const statement of texts.flatMap(text => splitStatements(text, {standardStrings}))) take(draft, statement);
	const {grantor: _, ...definition} = draft;
	return definition;
}

function take(draft: Draft, statement: Statement): void {
	const {tokens} = statement;
	if (begins(statement, 'SET') || begins(statement, 'RESET') || begins(statement, 'SELECT')) {
		takeSession(draft, statement);
	} else if (begins(statement, 'CREATE', 'DATABASE')) {
		mustName(draft, statement, tokens[2]);
		takeCreation(draft, tokens.slice(3));
	} else if (begins(statement, 'ALTER', 'DATABASE')) takeAlteration(draft, statement);
	else if (begins(statement, 'ALTER', 'ROLE') || begins(statement, 'ALTER', 'USER')) takeRoleSetting(draft, statement);
	else if (begins(statement, 'COMMENT', 'ON', 'DATABASE')) {
		mustName(draft, statement, tokens[3]);
		if (tokens[5]?.kind === 'string') draft.comment = tokens[5].value;
	} else if (begins(statement, 'GRANT') || begins(statement, 'REVOKE')) takePrivilege(draft, statement);
	else if (begins(statement, 'SECURITY', 'LABEL')) {
		const on = tokens.findIndex(token => token.value === 'DATABASE' && token.kind === 'word');
		mustName(draft, statement, tokens[on + 1]);
		draft.labels.push(completed(draft, statement, tokens[on + 1]));
	} else if (begins(statement, 'UPDATE')) takeUpdate(draft, statement);
	else throw foreign(draft, statement);
}

/** Parses `ALTER ROLE name IN DATABASE name SET …`. */
function takeRoleSetting(draft: Draft, statement: Statement): void {
	const {tokens} = statement;
	const [, , role, kwIn, kwDatabase, database, set] = tokens;
	if (kwIn?.value !== 'IN' || kwDatabase?.value !== 'DATABASE' || set?.value !== 'SET') throw foreign(draft, statement);
	mustName(draft, statement, database);
	draft.settings.push({...completed(draft, statement, database, rolesAmong([role])), setting: nameOf(tokens[7]) ?? ''});
}

/**
 * Accepts statements at the beginning of a script, which have no effect here and are harmless, and those around a
 * privilege of another grantor.
 */
function takeSession(draft: Draft, statement: Statement): void {
	const allowed = /^(?:SET (?:SESSION AUTHORIZATION |[a-z_]+ = )|RESET |SELECT pg_catalog\.set_config\('search_path')/i;
	if (!allowed.test(statement.text)) throw unknown(statement);
	const [, , kind, role] = statement.tokens;
	if (begins(statement, 'SET', 'SESSION') && kind?.value === 'AUTHORIZATION')
		draft.grantor = role?.kind === 'word' && role.value === 'DEFAULT' ? undefined : role;
	else if (begins(statement, 'RESET', 'SESSION')) draft.grantor = undefined;
}

/** Parses `[WITH] KEY = VALUE …`; CONNECTION LIMIT is the only key with two words. */
function readCreationOptions(name: string, tokens: readonly Token[]): ReadonlyMap<string, Token> {
	const options = new Map<string, Token>();
	for (let at = tokens[0]?.value === 'WITH' ? 1 : 0; at < tokens.length;) {
		const key = tokens[at]?.value ?? '';
		const isTwo = key === 'CONNECTION';
		const value = tokens[at + (isTwo ? 3 : 2)];
		if (tokens[at + (isTwo ? 2 : 1)]?.value !== '=' || !value) {
			throw new PgBackError('CORRUPT', `the definition of database ${display(name)} cannot be read`);
		}
		options.set(isTwo ? 'CONNECTION LIMIT' : key, value);
		at += isTwo ? 4 : 3;
	}
	return options;
}

function takeCreation(draft: Draft, tokens: readonly Token[]): void {
	const options = readCreationOptions(draft.name, tokens);
	const text = (key: string) => {
		const token = options.get(key);
		return token?.kind === 'string' ? token.value : nameOf(token);
	};
	const provider = text('LOCALE_PROVIDER') ?? 'libc';
	if (provider !== 'libc' && provider !== 'icu' && provider !== 'builtin')
		throw new PgBackError('CORRUPT', `unknown locale provider ${display(provider)} of ${display(draft.name)}`);
	draft.provider = provider;
	draft.encoding = text('ENCODING');
	draft.collate = text('LC_COLLATE') ?? text('LOCALE');
	draft.characterType = text('LC_CTYPE') ?? text('LOCALE');
	draft.providerLocale = text('ICU_LOCALE') ?? text('BUILTIN_LOCALE');
	draft.icuRules = text('ICU_RULES');
	draft.tablespace = text('TABLESPACE');
	const owner = text('OWNER');
	draft.owner ??= owner === undefined ? undefined : draft.legible(owner);
	const limit = options.get('CONNECTION LIMIT')?.value;
	if (limit !== undefined) draft.connectionLimit = Number(limit);
}

function takeAlteration(draft: Draft, statement: Statement): void {
	const {tokens} = statement;
	mustName(draft, statement, tokens[2]);
	const [, , , verb, next, third] = tokens;
	if (verb?.value === 'OWNER' && next?.value === 'TO') draft.owner = draft.legible(nameOf(third) ?? '');
	else if (verb?.value === 'SET')
		draft.settings.push({...completed(draft, statement, tokens[2]), setting: nameOf(next) ?? ''});
	else if (verb?.value === 'CONNECTION' && next?.value === 'LIMIT')
		draft.connectionLimit = Number(
			tokens
				.slice(5)
				.map(token => token.value)
				.join('')
				.replace('=', ''),
		);
	else if (verb?.value === 'IS_TEMPLATE') draft.isTemplate = /true$/i.test(statement.text);
	else throw foreign(draft, statement);
}

function takePrivilege(draft: Draft, statement: Statement): void {
	const {tokens} = statement;
	const on = tokens.findIndex(token => token.kind === 'word' && token.value === 'ON');
	if (tokens[on + 1]?.value !== 'DATABASE') throw foreign(draft, statement);
	mustName(draft, statement, tokens[on + 2]);
	const target = tokens[on + 3];
	if (target?.value !== 'TO' && target?.value !== 'FROM') throw foreign(draft, statement);
	const made = completed(draft, statement, tokens[on + 2], granteesOf(tokens.slice(on + 4)));
	const grantor = nameOf(draft.grantor);
	if (grantor === undefined) draft.privileges.push(made);
	else {
		const name = draft.legible(grantor);
		draft.privileges.push({...made, roles: [...made.roles, name], grantor: name});
	}
}

function granteesOf(tokens: readonly Token[]): readonly Token[] {
	const end = tokens.findIndex(token => token.kind === 'word' && ['WITH', 'GRANTED'].includes(token.value));
	const named = tokens.slice(0, end === -1 ? undefined : end);
	return rolesAmong(named.filter(token => token.kind !== 'symbol' && nameOf(token) !== 'public'));
}

/** Parses `UPDATE pg_catalog.pg_database SET datistemplate = 't' WHERE datname = 'app'`. */
function takeUpdate(draft: Draft, statement: Statement): void {
	const last = statement.tokens.at(-1);
	const isFlag = /^UPDATE pg_catalog\.pg_database SET datistemplate = ('t'|true|'f'|false) WHERE datname = /i.exec(
		statement.text,
	);
	if (!isFlag || comparable(last?.value) !== comparable(draft.name)) throw foreign(draft, statement);
	draft.isTemplate = /t/.test(isFlag[1]?.slice(0, 2) ?? '');
}

function rolesAmong(tokens: readonly (Token | undefined)[]): readonly Token[] {
	return tokens.flatMap(token =>
		token === undefined || nameOf(token) === undefined || (token.kind === 'word' && token.value === 'ALL')
			? []
			: [token],
	);
}

/** `roles` are the tokens of roles: their names may have to be decoded too. */
function completed(
	{legible}: Draft,
	statement: Statement,
	database: Token | undefined,
	roles: readonly Token[] = [],
): DatabaseStatement {
	if (!isPlain(statement)) throw unknown(statement);
	if (!database) throw new TypeError('a statement without the name of its database');
	const named = roles.map(token => ({token, name: legible(nameOf(token) ?? '')}));
	const decoded = named.filter(({token, name}) => name !== nameOf(token));
	return {
		on: name => withNames(statement.text, [...decoded, {token: database, name}]),
		roles: named.map(role => role.name),
	};
}

function withNames(text: string, names: readonly {readonly token: Token; readonly name: string}[]): string {
	let result = text;
	for (const {token, name} of names.toSorted((a, b) => b.token.start - a.token.start))
		result = `${result.slice(0, token.start)}${identifier(name)}${result.slice(token.start + token.text.length)}`;
	return result;
}

function mustName(draft: Draft, statement: Statement, token: Token | undefined): void {
	if (comparable(nameOf(token)) !== comparable(draft.name)) throw foreign(draft, statement);
}

/** pg_dump replaces a byte that is invalid in the client encoding by the byte C0 and a space. */
function comparable(name: string | undefined): string | undefined {
	return name?.replaceAll(/\uDCC0 |[\uDC80-\uDCFF]/g, '\uDC80');
}

function foreign({name}: Draft, {text}: Statement): PgBackError {
	return new PgBackError(
		'CORRUPT',
		`the dump of ${display(name)} contains a statement that does not belong to its database: ${display(text.slice(0, 80))}`,
		{hint: 'it was not written by pg_dump; find out who changed it'},
	);
}

function unknown({text}: Statement): PgBackError {
	return new PgBackError('CORRUPT', `SQL that pg_dump does not write: ${display(text.slice(0, 80))}`);
}

/** Returns the options of CREATE DATABASE that a server of this version supports. */
export function creationOptions(definition: DatabaseDefinition, serverVersion: number): readonly string[] {
	const {encoding, provider, collate, characterType, providerLocale, icuRules} = definition;
	const options = ['TEMPLATE = template0'];
	if (encoding !== undefined) options.push(`ENCODING = ${literal(encoding)}`);
	if (collate !== undefined) options.push(`LC_COLLATE = ${literal(collate)}`);
	if (characterType !== undefined) options.push(`LC_CTYPE = ${literal(characterType)}`);
	// Without this clause, a database has the provider of its template.
	if (serverVersion >= 150_000) options.push(`LOCALE_PROVIDER = ${provider}`);
	if (providerLocale !== undefined && provider === 'icu') options.push(`ICU_LOCALE = ${literal(providerLocale)}`);
	if (providerLocale !== undefined && provider === 'builtin')
		options.push(`BUILTIN_LOCALE = ${literal(providerLocale)}`);
	if (icuRules !== undefined) options.push(`ICU_RULES = ${literal(icuRules)}`);
	return options;
}
