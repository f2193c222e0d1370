/**
 * Lists the contents of a dump, object by object, and what would be restored with some of them. Only its table of
 * contents is read.
 */
import {PgBackError} from '../core/errors.js';
import type {DumpContents, DumpObject, IncludedObjects, ObjectSelection} from '../core/restore-handle.js';
import {display} from '../lib/display.js';
import {closureOf, objectKey} from '../postgres/archive-closure.js';
import type {ArchiveEntry, ArchiveToc} from '../postgres/archive-toc.js';
import {isDatabaseEntry} from '../postgres/database-entry.js';
import {describeDump} from '../repository/browser.js';
import {keyOf, readToc, tablesOf, type TableView} from '../repository/dump-tables.js';
import {namesOfRun} from '../repository/find-run.js';
import type {LocationId} from '../repository/locations.js';
import {openPlace, type Place} from '../repository/place.js';
import {createKeyRing, type DumpView, type RunView, viewRuns, withRecorded} from '../repository/run-view.js';
import {dumpPath, type ParsedName, parsePath} from '../retention/names.js';
import type {ConfiguredContext, SecretContext} from '../runs/context.js';
import {missingSecret} from '../runs/key-material.js';
import {preamble, relationKinds} from './only-objects.js';

/** Opens a place and lists the contents of a dump. */
export async function contentsAt(
	run: ConfiguredContext & SecretContext,
	location: LocationId,
	key: string,
): Promise<DumpContents> {
	const place = await openPlace(run, location);
	try {
		return await contentsOf(run, place, key);
	} finally {
		await place.close();
	}
}

/**
 * Lists the contents of the dump that `key` is or belongs to. Throws WRONG_KEY without the key of an encrypted dump,
 * CORRUPT, TOOLS, and the errors of the place.
 */
async function contentsOf(run: SecretContext, place: Place, key: string): Promise<DumpContents> {
	const parsed = parsePath(key);
	const path = dumpPath(key, parsed?.member);
	const facts = await describeDump(run, place, path);
	const view = await viewOf(run.signal, place, path);
	const found = view?.dumps.find(dump => dump.path === path);
	if (!view || !found) return {...empty(key), facts, note: 'this is not the dump of a database'};
	// Empty secrets request what is known without a key.
	const isWithoutKey = found.encrypted && run.secrets !== undefined && Object.keys(run.secrets).length === 0;
	if (found.encrypted && !isWithoutKey && (await missingSecret(run)))
		throw new PgBackError('WRONG_KEY', 'a private key or a passphrase is needed to read its table of contents');
	const keys = found.encrypted && !isWithoutKey ? await createKeyRing(run)() : undefined;
	const toc = isWithoutKey ? undefined : await readToc(run, place, found, keys);
	const whole = await withRecorded(run, place, view, keys);
	const dump = whole.dumps.find(one => one.path === path) ?? found;
	const tables = tablesOf(dump, toc);
	const {database} = dump;
	if (toc) return {key: path, database, facts, objects: objectsOf(toc, tables ?? []), included: alongOf(toc)};
	return {
		...empty(path),
		database,
		facts,
		objects: (tables ?? []).map((table, index) => ({id: index + 1, kind: 'TABLE', canChoose: false, ...table})),
		note: isWithoutKey
			? 'encrypted: without its key only this is known'
			: 'plain SQL has no table of contents: only what was recorded is known, and it is restored as a whole',
	};
}

function empty(key: string): Omit<DumpContents, 'facts'> {
	return {key, database: '', objects: [], included: () => ({entries: 0, parts: [], needed: [], dependents: []})};
}

/**
 * Returns the run of one dump, with that dump only. The location is listed only if no manifest names the files of the
 * dump.
 */
async function viewOf(signal: AbortSignal, place: Place, path: string): Promise<RunView | undefined> {
	const found = (await place.manifests(signal)).find(({manifest}) => manifest.files.some(file => file.path === path));
	const file = found?.manifest.files.find(one => one.path === path);
	const parsed = parsePath(path);
	if (!file && parsed && isSingleDump(parsed)) return unrecordedView(path, parsed);
	const isKnown = file?.role === 'dump' && (file.directory !== true || file.members !== undefined);
	if (!found || !isKnown || !parsed) {
		const runs = await viewRuns(signal, place);
		return runs.find(({dumps}) => dumps.some(dump => dump.path === path));
	}
	const files = file.members?.map(member => ({path: `${path}/${member.path}`, size: member.size}));
	const dump: DumpView = {
		database: file.database ?? '',
		path,
		parsed,
		files: files ?? [{path, size: file.size}],
		bytes: file.size,
		encrypted: file.encryption !== undefined,
		recorded: file,
	};
	return {...namesOfRun(found.path, found.manifest), found, dumps: [dump], gone: []};
}

function isSingleDump({subject, suffix, checksum}: ParsedName): boolean {
	return subject.kind === 'database' && checksum === undefined && !['d', 'createdb.sql', 'out'].includes(suffix);
}

/** The name of a dump without a manifest tells all that is needed to read it; its size is not known. */
function unrecordedView(path: string, parsed: ParsedName): RunView {
	const {subject, timeText, time} = parsed;
	const dump: DumpView = {
		database: subject.kind === 'database' ? subject.name : '',
		path,
		parsed,
		files: [{path, size: 0}],
		bytes: 0,
		encrypted: path.endsWith('.age'),
		recorded: undefined,
	};
	return {id: timeText, time, timeTexts: [timeText], found: undefined, dumps: [dump], gone: []};
}

/** Parts of other objects, data, and entries that every archive has. */
const parts: ReadonlySet<string> = new Set([
	...[
		'TABLE DATA',
		'MATERIALIZED VIEW DATA',
		'INDEX',
		'ACL',
		'DEFAULT ACL',
		'COMMENT',
		'SECURITY LABEL',
		'ROW SECURITY',
	],
	...['SEQUENCE SET', 'SEQUENCE OWNED BY', 'STATISTICS DATA', 'PUBLICATION TABLE', 'DEFAULT', 'CONSTRAINT'],
	...['CHECK CONSTRAINT', 'FK CONSTRAINT', 'TRIGGER', 'RULE', 'POLICY', 'TABLE ATTACH', 'INDEX ATTACH', 'BLOBS'],
	...['BLOB', 'BLOB METADATA', 'BLOB COMMENTS', 'STATISTICS'],
]);

function objectsOf({entries}: ArchiveToc, tables: readonly TableView[]): readonly DumpObject[] {
	const figures = new Map(tables.map(table => [keyOf(table), table]));
	const owned = new Set(
		entries.filter(({kind}) => kind === 'SEQUENCE OWNED BY').map(({schema, tag}) => keyOf({schema, name: tag})),
	);
	return entries.flatMap((entry): readonly DumpObject[] => {
		const {dumpId, kind, schema, tag: name} = entry;
		if (isDatabaseEntry(entry) || preamble.has(kind) || parts.has(kind)) return [];
		const isIdentity = kind === 'SEQUENCE' && entry.definition.startsWith('ALTER TABLE ');
		if (isIdentity || (kind === 'SEQUENCE' && owned.has(keyOf({schema, name})))) return [];
		const {rows, bytes} = (kind === 'TABLE' ? figures.get(keyOf({schema, name})) : undefined) ?? {};
		return [
			{
				...{id: dumpId, kind, schema, name},
				...(rows !== undefined && {rows}),
				...(bytes !== undefined && {bytes}),
				canChoose: relationKinds.has(kind) || kind === 'SCHEMA',
			},
		];
	});
}

/** Assumes a target with what the selected objects need; its real state is only known when the restore is planned. */
function alongOf({entries}: ArchiveToc): DumpContents['included'] {
	const all = entries.filter(entry => !isDatabaseEntry(entry) && !preamble.has(entry.kind));
	return (selection, dependents): IncludedObjects => {
		const chosen = chooserOf(selection);
		const {needed} = closureOf(all, {chosen, present: new Set(), dependents: false});
		const closure = closureOf(all, {chosen, present: new Set(needed.map(objectKey)), dependents});
		const named = new Set([...closure.roots, ...closure.dependents]);
		const rest = Map.groupBy(
			closure.entries.filter(entry => !named.has(entry)),
			({kind}) => kind,
		);
		return {
			entries: closure.entries.length,
			parts: [...rest].map(([kind, list]) => ({kind, count: list.length})),
			needed: needed.map(describe),
			dependents: closure.dependents.map(describe),
		};
	};
}

function chooserOf({ids, schemas}: ObjectSelection): (entry: ArchiveEntry) => boolean {
	return ({dumpId, kind, schema, tag}) => ids.has(dumpId) || schemas.has((kind === 'SCHEMA' ? tag : schema) ?? '');
}

function describe({kind, schema, tag}: ArchiveEntry): string {
	return display(`${kind.toLowerCase()} ${schema === undefined ? '' : `${schema}.`}${tag}`);
}
