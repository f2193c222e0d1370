/** Finds the entry of an archive that pg_restore failed at, and what leaves it out. Pure. */
import {literalGlob} from '../lib/glob.js';
import type {ArchiveEntry} from '../postgres/archive-toc.js';
import {isDatabaseEntry} from '../postgres/database-entry.js';
import {identifier} from '../postgres/quote.js';
import {skipPattern, skipsOf} from './skip.js';

/** What pg_restore says of a failure. It names the entry only if it is verbose, which it cannot always be. */
export type FailureClues = {
	/** From `from TOC entry 4711; …`. */
	readonly dumpId?: number | undefined;
	/** The message: `COPY failed for table "orders": …`. */
	readonly message: string;
	/** From `Command was: …`, which may be cut. */
	readonly command: string;
};

/** Returns undefined if the clues fit no entry, or several. */
export function failedEntry(
	entries: readonly ArchiveEntry[],
	{dumpId, message, command}: FailureClues,
): ArchiveEntry | undefined {
	if (dumpId !== undefined) return entries.find(entry => entry.dumpId === dumpId);
	const copied = /COPY failed for table (".*)$/s.exec(message)?.[1];
	const wanted = bare(command);
	const found = entries.filter(entry => {
		if (copied !== undefined) return entry.kind === 'TABLE DATA' && copied.startsWith(`"${entry.tag}": `);
		if (wanted === '' || isDatabaseEntry(entry)) return false;
		return entry.kind === 'TABLE DATA' ? isInserted(entry, command) : bare(entry.definition).startsWith(wanted);
	});
	// The parts of a divided table have the same name.
	const names = new Set(found.map(entryName));
	return names.size === 1 ? found[0] : undefined;
}

/** Blank lines of a message are lost, and pg_restore cuts a long command. */
function bare(command: string): string {
	const lines = command.split('\n').map(line => line.trimEnd());
	return lines
		.filter(line => line !== '')
		.join('\n')
		.replace(/\.\.\.$/, '');
}

function isInserted({schema = '', tag}: ArchiveEntry, command: string): boolean {
	const either = (name: string) => [name, identifier(name)];
	return either(schema).some(first =>
		either(tag).some(second => command.startsWith(`INSERT INTO ${first}.${second} `)),
	);
}

/** Returns the entry's name for people, not escaped: `MATERIALIZED VIEW DATA sales.totals`. */
export function entryName({kind, schema, tag}: Pick<ArchiveEntry, 'kind' | 'schema' | 'tag'>): string {
	return `${kind} ${schema === undefined ? '' : `${schema}.`}${tag}`;
}

/** A longer command line is no help. */
const mostPatterns = 12;

/**
 * Returns patterns for `--skip` that leave out an entry, and what cannot be restored without it: nothing else. Undefined
 * if that takes too many.
 */
export function skipPatterns(entries: readonly ArchiveEntry[], failed: ArchiveEntry): readonly string[] | undefined {
	const out = withDependents(entries, failed);
	const left = new Set(out);
	const patterns: string[] = [];
	for (const entry of out) {
		if (!left.has(entry)) continue;
		if (patterns.length === mostPatterns) return undefined;
		const general = generalPatterns(entry, failed).find(pattern => {
			const matches = skipsOf([pattern]);
			return matches(entry) && entries.every(other => out.has(other) || !matches(other));
		});
		const pattern = general ?? skipPattern(entry);
		patterns.push(pattern);
		const isLeftOut = skipsOf([pattern]);
		for (const other of left) if (isLeftOut(other)) left.delete(other);
	}
	return patterns;
}

/** Those for a table: its name is also that of its data, and stands before that of what belongs to it: `orders orders_pkey`. */
function generalPatterns({schema, tag}: ArchiveEntry, failed: ArchiveEntry): readonly string[] {
	if (schema === undefined) return [];
	const own = literalGlob(`${schema}.${failed.tag}`);
	return schema === failed.schema && tag.startsWith(`${failed.tag} `)
		? [`${own} *`]
		: [literalGlob(`${schema}.${tag}`)];
}

function withDependents(entries: readonly ArchiveEntry[], failed: ArchiveEntry): ReadonlySet<ArchiveEntry> {
	const users = new Map<number, ArchiveEntry[]>();
	for (const entry of entries) {
		for (const id of entry.dependencies) {
			const known = users.get(id);
			if (known) known.push(entry);
			else users.set(id, [entry]);
		}
	}
	const out = new Set([failed]);
	if (failed.kind === 'TABLE DATA') for (const key of keysTo(failed, users)) out.add(key);
	for (const entry of out) for (const user of users.get(entry.dumpId) ?? []) out.add(user);
	return out;
}

/** Returns the foreign keys of other tables: their rows refer to those that are missing. */
function keysTo(
	{schema, tag, dependencies}: ArchiveEntry,
	users: ReadonlyMap<number, readonly ArchiveEntry[]>,
): readonly ArchiveEntry[] {
	return dependencies
		.flatMap(id => users.get(id) ?? [])
		.filter(user => user.kind === 'FK CONSTRAINT' && !(user.schema === schema && user.tag.startsWith(`${tag} `)));
}
