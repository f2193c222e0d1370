/**
 * Selects what must be restored together with some objects of an archive so that they are complete: their own parts,
 * missing objects that they need, and missing objects that depend on them, because DROP … CASCADE removed these too.
 * Pure.
 */
import type {ArchiveEntry} from './archive-toc.js';
import {nameOf, splitStatements} from './sql-statements.js';

export type ClosureOptions = {
	/** Returns whether an entry was chosen by the user. */
	readonly chosen: (entry: ArchiveEntry) => boolean;
	/** Keys (`objectKey`) of existing objects in the target. */
	readonly present: ReadonlySet<string>;
	/** Includes dependent views, inheriting tables, and foreign keys of other tables. */
	readonly dependents: boolean;
};

export type Closure = {
	/** In the order of restoring. */
	readonly entries: readonly ArchiveEntry[];
	readonly roots: readonly ArchiveEntry[];
	/** Not chosen, but needed by a chosen entry. */
	readonly needed: readonly ArchiveEntry[];
	/** Not chosen, but depending on a chosen entry. */
	readonly dependents: readonly ArchiveEntry[];
	/** Entries that would be created but exist already. */
	readonly conflicts: readonly ArchiveEntry[];
};

const relations: ReadonlySet<string> = new Set([
	'TABLE',
	'VIEW',
	'MATERIALIZED VIEW',
	'SEQUENCE',
	'FOREIGN TABLE',
	'INDEX',
]);
/** Kinds with a tag that has types. */
const signed: ReadonlySet<string> = new Set(['FUNCTION', 'PROCEDURE', 'AGGREGATE', 'CAST']);
/** Parts of a relation with a tag that is the relation's name, or begins with the name and a space. */
const tagged: ReadonlySet<string> = new Set([
	'DEFAULT',
	'CONSTRAINT',
	'CHECK CONSTRAINT',
	'FK CONSTRAINT',
	'TRIGGER',
	'RULE',
	'POLICY',
]);
/** Parts of the object that they depend on. */
const attached: ReadonlySet<string> = new Set([
	...[
		'TABLE DATA',
		'MATERIALIZED VIEW DATA',
		'INDEX',
		'ACL',
		'COMMENT',
		'SECURITY LABEL',
		'ROW SECURITY',
		'STATISTICS',
	],
	...['SEQUENCE SET', 'SEQUENCE OWNED BY', 'STATISTICS DATA', 'PUBLICATION TABLE'],
]);
/** Kinds that DROP … CASCADE removes with what they use: restored as dependents. */
const dependentKinds: ReadonlySet<string> = new Set([
	...['VIEW', 'MATERIALIZED VIEW', 'FK CONSTRAINT', 'FUNCTION', 'PROCEDURE', 'AGGREGATE', 'OPERATOR', 'CAST'],
	...['TRIGGER', 'POLICY', 'RULE', 'DEFAULT', 'INDEX', 'STATISTICS', 'CHECK CONSTRAINT', 'DOMAIN', 'CONVERSION'],
	...['OPERATOR CLASS', 'OPERATOR FAMILY', 'ACCESS METHOD', 'TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY'],
	...['EXTENSION', 'PROCEDURAL LANGUAGE', 'TRANSFORM', 'EVENT TRIGGER', 'FOREIGN DATA WRAPPER', 'SERVER'],
	'USER MAPPING',
]);

/** Returns the same key for a table and a view of one name, which cannot exist together. */
export function objectKey({kind, schema, tag}: Pick<ArchiveEntry, 'kind' | 'schema' | 'tag'>): string {
	// quote_all_identifiers quotes the types in a signature.
	const name = signed.has(kind) ? tag.replaceAll('"', '') : tag;
	return `${relations.has(kind) ? 'RELATION' : kind}\0${schema ?? ''}\0${name}`;
}

export function closureOf(all: readonly ArchiveEntry[], options: ClosureOptions): Closure {
	const {present} = options;
	const byId = new Map(all.map(entry => [entry.dumpId, entry]));
	const users = new Map<number, ArchiveEntry[]>();
	for (const entry of all) for (const id of entry.dependencies) users.set(id, [...(users.get(id) ?? []), entry]);
	const owned = ownedSequences(all);
	const partitions = partitionsOf(all, byId);
	const schemas = new Map(all.filter(({kind}) => kind === 'SCHEMA').map(entry => [entry.tag, entry]));
	const taken = new Set<number>();
	const needed: ArchiveEntry[] = [];
	const dependents: ArchiveEntry[] = [];
	const isThere = (entry: ArchiveEntry) =>
		present.has(objectKey(entry)) || (entry.kind === 'SCHEMA' && entry.tag === 'public');

	/** Takes an entry with its parts. */
	const take = (entry: ArchiveEntry): void => {
		if (taken.has(entry.dumpId)) return;
		taken.add(entry.dumpId);
		for (const user of users.get(entry.dumpId) ?? []) if (isPartOf(user, entry) || isAttachment(user)) take(user);
		for (const part of [...(owned.get(keyOf(entry)) ?? []), ...(partitions.get(entry.dumpId) ?? [])]) take(part);
	};
	/** Takes missing objects that the taken entries need. */
	const takeNeeds = (): void => {
		for (const id of taken) {
			for (const dependency of byId.get(id)?.dependencies ?? []) {
				const entry = byId.get(dependency);
				if (!entry || taken.has(dependency) || isThere(entry) || !isObject(entry)) continue;
				needed.push(entry);
				take(entry); // added to the set that is being iterated
			}
			const home = schemas.get(byId.get(id)?.schema ?? '');
			if (home && !taken.has(home.dumpId) && !isThere(home)) {
				needed.push(home);
				take(home);
			}
		}
	};
	const roots = all.filter(entry => options.chosen(entry));
	for (const root of roots) take(root);
	takeNeeds();
	if (options.dependents) {
		for (const id of taken) {
			for (const user of users.get(id) ?? []) {
				const dependent = viewOf(user, byId) ?? user;
				if (taken.has(dependent.dumpId) || !isDependent(dependent) || isThere(dependent)) continue;
				if (isOfRelation(dependent) && !hasItsTable(dependent, all, taken, present)) continue;
				dependents.push(dependent);
				take(dependent);
			}
		}
		takeNeeds();
	}
	const entries = inOrder(
		all.filter(entry => taken.has(entry.dumpId)),
		byId,
	);
	const conflicts = entries.filter(entry => isObject(entry) && present.has(objectKey(entry)));
	return {entries, roots, needed, dependents, conflicts};
}

/**
 * Orders entries so that a partition is attached to an existing parent after its indexes are created, those of its own
 * partitions attached to them: otherwise the server creates a second set of indexes. In the archive it is the other way
 * round, because the parent has no index yet. A foreign key that references the parent comes after its rows.
 */
function inOrder(entries: readonly ArchiveEntry[], byId: ReadonlyMap<number, ArchiveEntry>): readonly ArchiveEntry[] {
	const parents = new Set(entries.map(entry => keyOf({schema: entry.schema, tag: nameIn(entry, byId)})));
	const late = new Set(entries.filter(entry => isAttachment(entry) && !parents.has(parentOf(entry))));
	if (late.size === 0) return entries;
	// The state of a trigger that a partition has from its parent can only be set when it is attached.
	const last = new Set(entries.filter(entry => isTriggerState(entry) || entry.kind === 'FK CONSTRAINT'));
	return [...entries.filter(entry => !late.has(entry) && !last.has(entry)), ...late, ...last];
}

/** Returns the key of the table or the index that an attachment attaches something to. */
function parentOf({definition}: ArchiveEntry): string {
	const tokens = splitStatements(definition)[0]?.tokens.filter(({value}) => value !== '.') ?? [];
	const [schema, tag = ''] = tokens.slice(tokens[2]?.value === 'ONLY' ? 3 : 2).map(nameOf);
	return keyOf({schema, tag});
}

/** Returns the name of a table or an index; that of a constraint is its tag without the table. */
function nameIn({kind, tag, dependencies}: ArchiveEntry, byId: ReadonlyMap<number, ArchiveEntry>): string {
	if (kind === 'TABLE' || kind === 'INDEX') return tag;
	const table =
		kind === 'CONSTRAINT' ? dependencies.map(id => byId.get(id)).find(entry => entry?.kind === 'TABLE') : undefined;
	return table ? tag.slice(table.tag.length + 1) : '';
}

/** Returns true for `ALTER TABLE … DISABLE TRIGGER …`, which pg_dump writes for triggers that it does not create. */
function isTriggerState({kind, definition}: ArchiveEntry): boolean {
	return kind === 'TRIGGER' && /^\s*ALTER /.test(definition);
}

/** A table only if it inherits: of one that uses another's row type, DROP … CASCADE removes the column. */
function isDependent({kind, definition}: ArchiveEntry): boolean {
	if (kind === 'TABLE' || kind === 'FOREIGN TABLE') return /^\)?\s*INHERITS \(/m.test(definition);
	return dependentKinds.has(kind);
}

/** Returns true for something created under its own name, not a part or a comment. */
function isObject({kind}: ArchiveEntry): boolean {
	return !attached.has(kind) || kind === 'INDEX' || kind === 'STATISTICS';
}

/**
 * Returns the view whose query is this rule: pg_dump separates them when the query depends on a key, or views depend on
 * each other.
 */
function viewOf(
	{kind, tag, dependencies}: ArchiveEntry,
	byId: ReadonlyMap<number, ArchiveEntry>,
): ArchiveEntry | undefined {
	if (kind !== 'RULE' || !tag.endsWith(' _RETURN')) return undefined;
	return dependencies.map(id => byId.get(id)).find(entry => entry?.kind === 'VIEW' && tag === `${entry.tag} _RETURN`);
}

function isPartOf(part: ArchiveEntry, whole: ArchiveEntry): boolean {
	if (attached.has(part.kind)) return part.kind !== 'PUBLICATION TABLE' || part.tag.endsWith(whole.tag);
	// The sequence of an identity column is created by ALTER TABLE.
	if (part.kind === 'SEQUENCE') return part.definition.startsWith('ALTER TABLE ');
	return tagged.has(part.kind) && part.schema === whole.schema && part.tag.startsWith(`${whole.tag} `);
}

/** Returns true for attaching a partition, or its index, to its parent. */
function isAttachment({kind}: ArchiveEntry): boolean {
	return kind === 'TABLE ATTACH' || kind === 'INDEX ATTACH';
}

function keyOf({schema, tag}: Pick<ArchiveEntry, 'schema' | 'tag'>): string {
	return `${schema ?? ''}\0${tag}`;
}

/** Returns sequences by the table that owns them: `ALTER SEQUENCE s.q OWNED BY s.t.c`. */
function ownedSequences(all: readonly ArchiveEntry[]): ReadonlyMap<string, readonly ArchiveEntry[]> {
	const sequences = new Map(all.filter(({kind}) => kind === 'SEQUENCE').map(entry => [keyOf(entry), entry]));
	const owned = new Map<string, ArchiveEntry[]>();
	for (const entry of all) {
		const sequence = entry.kind === 'SEQUENCE OWNED BY' ? sequences.get(keyOf(entry)) : undefined;
		if (!sequence) continue;
		const names =
			splitStatements(entry.definition)[0]
				?.tokens.filter(({value}) => value !== '.')
				.map(nameOf) ?? [];
		const [schema, tag] = names.slice(-3);
		const key = keyOf({schema, tag: tag ?? ''});
		owned.set(key, [...(owned.get(key) ?? []), sequence, entry]);
	}
	return owned;
}

/** Returns partitions by their parent, from the attachments that depend on both. */
function partitionsOf(
	all: readonly ArchiveEntry[],
	byId: ReadonlyMap<number, ArchiveEntry>,
): ReadonlyMap<number, readonly ArchiveEntry[]> {
	const found = new Map<number, ArchiveEntry[]>();
	for (const entry of all) {
		if (entry.kind !== 'TABLE ATTACH') continue;
		const tables = entry.dependencies
			.flatMap(id => byId.get(id) ?? [])
			.filter(({kind}) => kind === 'TABLE' || kind === 'FOREIGN TABLE');
		const child = tables.find(table => table.tag === entry.tag && table.schema === entry.schema);
		for (const parent of tables) {
			if (!child || parent === child) continue;
			found.set(parent.dumpId, [...(found.get(parent.dumpId) ?? []), child, entry]);
		}
	}
	return found;
}

function isOfRelation({kind}: ArchiveEntry): boolean {
	return tagged.has(kind) || kind === 'INDEX' || kind === 'STATISTICS';
}

/** Returns false for a part of a relation that neither exists nor is restored. */
function hasItsTable(
	key: ArchiveEntry,
	all: readonly ArchiveEntry[],
	taken: ReadonlySet<number>,
	present: ReadonlySet<string>,
): boolean {
	return all.some(
		entry =>
			['TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW'].includes(entry.kind) &&
			(tagged.has(key.kind)
				? entry.schema === key.schema && key.tag.startsWith(`${entry.tag} `)
				: key.dependencies.includes(entry.dumpId)) &&
			(taken.has(entry.dumpId) || present.has(objectKey(entry))),
	);
}
