/** `--only`: restores some objects of an archive, with everything that belongs to them, into an existing database. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {type Closure, closureOf, objectKey} from '../postgres/archive-closure.js';
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import {isDatabaseEntry} from '../postgres/database-entry.js';
import {objectPattern} from '../postgres/object-patterns.js';
import type {Session} from '../postgres/session.js';
import type {ServerContext} from '../runs/context.js';
import {tocOfDatabase} from './database-toc.js';
import {lostColumns} from './lost-columns.js';
import {creatingFindings, readingFindings} from './only-access.js';
import type {RestoreOptions} from './restore-options.js';
import type {Finding} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';
import {skipsOf} from './skip.js';

export type OnlyObjects = {readonly closure: Closure | undefined; readonly findings: readonly Finding[]};

export const relationKinds: ReadonlySet<string> = new Set([
	'TABLE',
	'VIEW',
	'MATERIALIZED VIEW',
	'SEQUENCE',
	'FOREIGN TABLE',
]);

/** Settings of the restoring session, not objects. */
export const preamble: ReadonlySet<string> = new Set(['ENCODING', 'STDSTRINGS', 'SEARCHPATH']);

/** Compares the archive with the contents of the database `name`. */
export async function chooseObjects(
	run: ServerContext,
	toc: ArchiveToc,
	target: RestoreTarget,
	{database, name, options}: {readonly database: string; readonly name: string; readonly options: RestoreOptions},
): Promise<OnlyObjects> {
	const stop = (code: 'TARGET_LACKS' | 'EXISTS' | 'NOTHING_TO_DO' | 'TOOLS', text: string, hint: string): Finding => ({
		severity: 'stop',
		code,
		database,
		text,
		hint,
	});
	if (!target.inventory.databases.has(name)) {
		const text = `database ${display(name)} does not exist: --only brings objects back into a database that exists`;
		return {closure: undefined, findings: [stop('TARGET_LACKS', text, 'without --only it is created')]};
	}
	const {superuser, user} = target.inventory;
	const access = {database, role: options.owner ?? user, owners: options.owner === undefined};
	const check = async (act: (session: Session) => Promise<readonly Finding[]>): Promise<readonly Finding[]> =>
		superuser ? [] : withSession(target, name, act);
	const unreadable = await check(session => readingFindings(session, {...access, role: user}));
	if (unreadable.length > 0) return {closure: undefined, findings: unreadable};
	const present = await tocOfDatabase(run, target, name, {signal: run.signal});
	if (!present) {
		const text = `there is no pg_dump for the target, PostgreSQL ${target.inventory.versionText}, to see what it has`;
		return {closure: undefined, findings: [stop('TOOLS', text, 'install its client package, or use --bin-directory')]};
	}
	const skips = skipsOf(options.skip);
	const closure = closureOf(
		toc.entries.filter(
			entry => !isDatabaseEntry(entry) && !preamble.has(entry.kind) && !skips(entry) && isWanted(entry, options),
		),
		{
			chosen: chooser(options),
			present: new Set(present.entries.map(objectKey)),
			dependents: options.only?.dependents ?? true,
		},
	);
	const findings: Finding[] = [];
	if (closure.roots.length === 0) {
		const asked = [...(options.only?.tables ?? []), ...(options.only?.schemas ?? [])];
		findings.push(
			stop(
				'NOTHING_TO_DO',
				`the dump of ${display(database)} has no ${display(asked.join(', '))}`,
				'patterns are as for pg_dump -t and -n',
			),
		);
	}
	for (const entry of closure.conflicts)
		findings.push(
			stop(
				'EXISTS',
				`${describe(entry)} exists in ${display(name)}`,
				'nothing is merged or replaced: rename or drop it first, or restore with --into',
			),
		);
	const list = (entries: readonly ArchiveEntry[]) => entries.map(describe).join(', ');
	if (closure.needed.length > 0)
		findings.push({severity: 'note', database, text: `needed and missing, so it comes too: ${list(closure.needed)}`});
	if (closure.dependents.length > 0)
		findings.push({
			severity: 'note',
			database,
			text: `depends on it and is missing, so it comes back too: ${list(closure.dependents)}`,
			hint: '--no-dependents leaves it out',
		});
	findings.push(...lostFindings(toc, present, {closure, database}));
	findings.push(...(await check(session => creatingFindings(session, closure.entries, access))));
	return {closure, findings};
}

/** Names what an archive cannot bring back although DROP … CASCADE took it. */
function lostFindings(
	toc: ArchiveToc,
	present: ArchiveToc,
	{closure, database}: {readonly closure: Closure; readonly database: string},
): readonly Finding[] {
	const taken = new Set(closure.entries.map(entry => entry.dumpId));
	return lostColumns(toc.entries, {taken, present: present.entries}).map(({schema, table, column, isDefault}) => {
		const what = `table ${schema === undefined ? '' : `${schema}.`}${table} exists, but`;
		const text = isDefault
			? `${what} its column ${column} has lost its default, which does not come back`
			: `${what} not its column ${column}, which does not come back`;
		const hint = 'restore the database beside it with --into, and take the column or its default from there';
		return {severity: 'warn', database, text: display(text), hint};
	});
}

async function withSession<T>(
	{open}: Pick<RestoreTarget, 'open'>,
	database: string,
	act: (session: Session) => Promise<T>,
): Promise<T> {
	const session = await open(database);
	try {
		return await act(session);
	} finally {
		await session.close();
	}
}

function isWanted({kind}: ArchiveEntry, {data, privileges}: RestoreOptions): boolean {
	if (!data && ['TABLE DATA', 'SEQUENCE SET', 'MATERIALIZED VIEW DATA', 'STATISTICS DATA'].includes(kind)) return false;
	return privileges || (kind !== 'ACL' && kind !== 'DEFAULT ACL');
}

function chooser({only}: RestoreOptions): (entry: ArchiveEntry) => boolean {
	const tables = (only?.tables ?? []).map(objectPattern);
	const schemas = (only?.schemas ?? []).map(objectPattern);
	return ({kind, schema, tag}) => {
		if (relationKinds.has(kind) && tables.some(matches => matches({schema, name: tag}))) return true;
		const home = kind === 'SCHEMA' ? tag : schema;
		return home !== undefined && schemas.some(matches => matches({schema: undefined, name: home}));
	};
}

function describe({kind, schema, tag}: ArchiveEntry): string {
	return display(`${kind.toLowerCase()} ${schema === undefined ? '' : `${schema}.`}${tag}`);
}

/** Returns the dump IDs in the order of the archive. Throws BUG without a closure. */
export function idsOf(closure: Closure | undefined): readonly number[] {
	if (!closure) throw new PgBackError('BUG', 'objects were to be restored that nobody has chosen');
	return closure.entries.map(entry => entry.dumpId);
}
