/** What an archive requires of the target server, from its table of contents. Pure. */
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import {isDatabaseEntry} from '../postgres/database-entry.js';
import {lastIndexOfWord, nameOf, namesFrom, splitStatements, type Token} from '../postgres/sql-statements.js';
import {commonObjects, comparedKinds} from '../stages/dump-text.js';
import {type DatabaseDefinition, parseDatabase} from './database-definition.js';
import {skipPattern} from './skip.js';

export type ArchiveNeeds = {
	readonly owners: ReadonlySet<string>;
	/** Roles in privileges. */
	readonly grantees: ReadonlySet<string>;
	/** Roles that granted privileges on objects of others, which only a superuser can do in their name. */
	readonly grantors: ReadonlySet<string>;
	/** Roles in policies and user mappings, which exist without privileges too. */
	readonly named: ReadonlySet<string>;
	readonly extensions: ReadonlySet<string>;
	readonly tablespaces: ReadonlySet<string>;
	/** Objects of kinds that only a superuser can create. */
	readonly privileged: readonly {
		readonly what: string;
		readonly name: string;
		/** The pattern for `--skip`; undefined for a plain dump. */
		readonly skip?: string;
	}[];
	readonly subscriptions: readonly string[];
	readonly tables: number;
};

/** Returns true for planner statistics, which only servers since 18 can load. */
export function isStatistics({kind}: Pick<ArchiveEntry, 'kind'>): boolean {
	return kind === 'STATISTICS DATA';
}

/** Returns true for what pg_restore does after it has set the privileges: our user may lack USAGE of a schema by then. */
export function isAfterPrivileges({kind}: Pick<ArchiveEntry, 'kind'>): boolean {
	return kind === 'MATERIALIZED VIEW DATA' || kind === 'STATISTICS DATA';
}

/** Returns undefined for an archive without --create information (a part of a database). Throws CORRUPT. */
export function databaseOf(toc: ArchiveToc): DatabaseDefinition | undefined {
	const main = toc.entries.find(entry => entry.kind === 'DATABASE');
	if (!main) return undefined;
	const texts = toc.entries.filter(isDatabaseEntry).map(entry => entry.definition);
	return parseDatabase(texts, {
		name: main.tag,
		owner: main.owner || undefined,
		standardStrings: hasStandardStrings(toc.entries),
		legible: toc.legible,
	});
}

/** Returns the `standard_conforming_strings` with which an archive was written. */
export function hasStandardStrings(entries: readonly ArchiveEntry[]): boolean {
	return !entries.some(({kind, definition}) => kind === 'STDSTRINGS' && /'off'/.test(definition));
}

export function needsOf(
	entries: readonly ArchiveEntry[],
	sharedText: (text: string) => string = text => text,
): ArchiveNeeds {
	const owners = new Set<string>();
	const grantees = new Set<string>();
	const grantors = new Set<string>();
	const named = new Set<string>();
	const extensions = new Set<string>();
	const tablespaces = new Set<string>();
	const privileged: {what: string; name: string; skip: string}[] = [];
	const subscriptions: string[] = [];
	/** By name: a divided table has several entries with data. */
	const tables = new Set<string>();
	for (const entry of entries) {
		if (isDatabaseEntry(entry)) continue;
		const {kind, owner, tablespace, tag} = entry;
		// Privileges and comments are set by our role. The schema public has no other entry, and since 15 belongs to
		// pg_database_owner, which older servers do not have.
		if (owner !== '' && kind !== 'ACL' && kind !== 'COMMENT') owners.add(owner);
		if (tablespace !== undefined && !tablespace.startsWith('pg_')) tablespaces.add(tablespace);
		for (const role of rolesIn(entry)) (kind.endsWith('ACL') ? grantees : named).add(sharedText(role));
		for (const role of grantorsIn(entry)) grantors.add(sharedText(role));
		if (kind === 'TABLE DATA') tables.add(`${entry.schema ?? ''}\0${tag}`);
		if (kind === 'EXTENSION') extensions.add(tag);
		if (kind === 'SUBSCRIPTION') subscriptions.push(tag);
		const what = superuserOnly(entry);
		if (what !== undefined) privileged.push({what, name: tag, skip: skipPattern(entry)});
	}
	return {owners, grantees, grantors, named, extensions, tablespaces, privileged, subscriptions, tables: tables.size};
}

function superuserOnly({kind, definition}: ArchiveEntry): string | undefined {
	if (kind === 'EVENT TRIGGER') return 'event trigger';
	if (kind === 'PUBLICATION' && /\bFOR (ALL TABLES|TABLES IN SCHEMA)\b/.test(definition)) return 'publication';
	if (kind === 'PUBLICATION TABLES IN SCHEMA') return 'publication';
	if (kind === 'FOREIGN DATA WRAPPER') return 'foreign data wrapper';
	if (kind === 'CAST' && /WITHOUT FUNCTION/.test(definition)) return 'cast';
	if ((kind === 'FUNCTION' || kind === 'PROCEDURE') && /\bLANGUAGE c\b/.test(definition)) return 'function in C';
	if (kind === 'PROCEDURAL LANGUAGE') return 'language';
	return undefined;
}

/** Returns the roles in the statements of an entry, except its owner. */
export function rolesIn({kind, definition}: ArchiveEntry): readonly string[] {
	if (!['ACL', 'DEFAULT ACL', 'POLICY', 'USER MAPPING'].includes(kind)) return [];
	return splitStatements(definition).flatMap(({tokens}) => {
		if (kind === 'POLICY') return after(tokens, 'TO');
		if (kind === 'USER MAPPING') return after(tokens, 'FOR');
		const place = Math.max(lastIndexOfWord(tokens, 'TO'), lastIndexOfWord(tokens, 'FROM'));
		const creator = kind === 'DEFAULT ACL' ? after(tokens, 'ROLE') : [];
		const session = tokens[0]?.value === 'SET' ? [] : namesFrom(tokens, place + 1);
		return [...creator, ...(place === -1 ? [] : session)];
	});
}

function grantorsIn({kind, definition}: ArchiveEntry): readonly string[] {
	if (!kind.startsWith('ACL') || !definition.includes('SESSION AUTHORIZATION')) return [];
	return splitStatements(definition).flatMap(({tokens}) => grantorsOf(tokens));
}

/** Returns the role of SET SESSION AUTHORIZATION; none for other statements. */
export function grantorsOf([first, second, third, role]: readonly Token[]): readonly string[] {
	const isSet = first?.value === 'SET' && second?.value === 'SESSION' && third?.value === 'AUTHORIZATION';
	const name = isSet && !(role?.kind === 'word' && role.value === 'DEFAULT') ? nameOf(role) : undefined;
	return name === undefined ? [] : [name];
}

/** Returns the names after the first such word outside of parentheses. */
function after(tokens: readonly Token[], word: string): readonly string[] {
	let depth = 0;
	for (const [index, token] of tokens.entries()) {
		if (token.kind === 'symbol' && token.value === '(') depth++;
		if (token.kind === 'symbol' && token.value === ')') depth--;
		if (depth === 0 && token.kind === 'word' && token.value === word) return namesFrom(tokens, index + 1);
	}
	return [];
}

/** Returns objects in the form of `DumpText`: one character per byte. */
export function objectsOf(entries: readonly ArchiveEntry[]): ReadonlySet<string> {
	const objects = new Set<string>();
	for (const entry of entries) {
		if (isDatabaseEntry(entry) || !comparedKinds.has(entry.kind)) continue;
		const line = `${entry.kind} ${entry.schema ?? '-'}.${entry.tag}`.replaceAll(/[\r\n]/g, ' ');
		const object = Buffer.from(line).toString('latin1');
		if (!commonObjects.has(object)) objects.add(object);
	}
	return objects;
}
