/** What a drill restores: the newest run of which something was chosen. */
import {relative} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {parsePath, type ParsedName} from '../retention/names.js';
import {createRunGrouper} from '../retention/runs.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/keys.js';
import type {RunContext} from './context.js';
import {joinManifest, type Manifest, type ManifestFile} from './manifest.js';
import {parsePrivateManifest} from './manifest-read.js';
import type {FoundManifest} from './manifests.js';
import type {Place, PlaceFile} from './place.js';
import {downloadBase} from './remote.js';

/** A file of a place, or a directory dump with its members. */
export type DrillItem = {
	readonly path: string;
	readonly parsed: ParsedName;
	readonly files: readonly PlaceFile[];
};

export type DrillDump = DrillItem & {
	readonly database: string;
	/** The script that creates the database, beside a plain dump. */
	readonly createScript?: DrillItem;
};

export type DrillPlan = {
	/** Absent for backups of pg_back 2.x and runs that were killed. */
	readonly found: FoundManifest | undefined;
	/** With what an encrypted run keeps in its companion, if that could be read. */
	readonly manifest: Manifest | undefined;
	readonly known: ReadonlyMap<string, ManifestFile>;
	readonly globals: DrillItem | undefined;
	readonly dumps: readonly DrillDump[];
	/** Dumps that the manifest names and that are not there. */
	readonly missing: readonly string[];
};

/** `select` is given the path of a dump and the name of its database. Throws NOTHING_TO_DO when it chooses nothing. */
export async function planDrill(
	run: RunContext,
	place: Place,
	select: (path: string, database: string) => boolean,
): Promise<DrillPlan> {
	const items = await itemsOf(place, run.signal);
	const manifests = (await place.manifests(run.signal)).toSorted(
		(a, b) => Date.parse(b.manifest.start) - Date.parse(a.manifest.start),
	);
	const wanted = (item: DrillItem | undefined) =>
		item !== undefined && isDump(item) && select(item.path, databaseOf(item) ?? '');
	const found = manifests.find(({manifest}) => manifest.files.some(file => wanted(items.get(file.path))));
	if (found) {
		const names = new Set(found.manifest.files.map(file => file.path));
		const missing = found.manifest.files.filter(
			file =>
				file.role === 'dump' &&
				!items.has(file.path) &&
				select(file.path, file.database ?? '') &&
				(place.remote !== undefined || file.shipped.length === 0),
		);
		const known = new Map(found.manifest.files.map(file => [file.path, file] as const));
		const of = [...items.values()].filter(item => names.has(item.path));
		return {
			...chosen(of, wanted, known),
			found,
			manifest: found.manifest,
			known,
			missing: missing.map(file => file.path),
		};
	}
	const grouper = createRunGrouper([]);
	const all = [...items.values()];
	for (const {path, parsed, files} of all)
		grouper.add(
			path,
			parsed,
			files.reduce((sum, file) => sum + file.size, 0),
		);
	const newest = grouper
		.runs()
		.find(({run: id}) => all.some(item => wanted(item) && grouper.runOf(item.path, item.parsed) === id));
	if (!newest) {
		throw new PgBackError('NOTHING_TO_DO', `there is no such dump at ${place.label}`, {
			hint: 'patterns are names of files or of databases',
		});
	}
	const known = new Map<string, ManifestFile>();
	const of = all.filter(item => grouper.runOf(item.path, item.parsed) === newest.run);
	return {...chosen(of, wanted, known), found: undefined, manifest: undefined, known, missing: []};
}

/** What the manifest of an encrypted run keeps in its companion. */
export async function withCompanion(
	run: RunContext,
	place: Place,
	plan: DrillPlan,
	keys: DecryptionKeys,
): Promise<DrillPlan> {
	const {found, manifest} = plan;
	if (!found || !manifest?.files.some(file => file.encryption)) return plan;
	const base = downloadBase(run.configuration.settings.backupDirectory);
	const path = (place.remote ? found.path.slice(place.remote.prefix.length) : relative(base, found.path)).replace(
		/manifest\.json$/,
		'private.json.age',
	);
	const chunks: Buffer[] = [];
	try {
		for await (const chunk of decryptStream(place.read(path, run.signal), keys, run.signal))
			chunks.push(Buffer.from(chunk));
		const whole = joinManifest(manifest, parsePrivateManifest(Buffer.concat(chunks).toString(), path));
		return {...plan, manifest: whole, known: new Map(whole.files.map(file => [file.path, file] as const))};
	} catch (error) {
		run.signal.throwIfAborted();
		run.emit({
			type: 'log',
			level: 'warn',
			text: `what was recorded for this run cannot be read (${path}): ${String(error)}`,
		});
		return plan;
	}
}

function chosen(
	of: readonly DrillItem[],
	wanted: (item: DrillItem) => boolean,
	known: ReadonlyMap<string, ManifestFile>,
) {
	const dumps = of.filter(wanted).map((item): DrillDump => {
		const createScript = of.find(
			other =>
				other.parsed.suffix === 'createdb.sql' &&
				other.parsed.subjectText === item.parsed.subjectText &&
				other.parsed.timeText === item.parsed.timeText,
		);
		return {
			...item,
			database: known.get(item.path)?.database ?? databaseOf(item) ?? '',
			...(createScript && {createScript}),
		};
	});
	// A plain file that was kept beside its encrypted one is the same dump.
	const once = [...Map.groupBy(dumps, dump => dump.database).values()].flatMap(group =>
		group.toSorted((a, b) => sizeOf(a) - sizeOf(b)).slice(0, 1),
	);
	return {globals: of.find(item => item.parsed.subject.kind === 'globals'), dumps: once};
}

function sizeOf(item: DrillItem): number {
	return item.files.reduce((sum, file) => sum + file.size, 0);
}

function databaseOf({parsed: {subject}}: DrillItem): string | undefined {
	return subject.kind === 'database' ? subject.name : undefined;
}

function isDump(item: DrillItem): boolean {
	return (
		item.parsed.subject.kind === 'database' && item.parsed.suffix !== 'createdb.sql' && item.parsed.suffix !== 'out'
	);
}

async function itemsOf(place: Place, signal: AbortSignal): Promise<ReadonlyMap<string, DrillItem>> {
	const items = new Map<string, DrillItem & {files: PlaceFile[]}>();
	for await (const file of place.list(signal)) {
		const parsed = parsePath(file.path);
		if (!parsed || parsed.subject.kind === 'run' || parsed.checksum !== undefined) continue;
		const path = parsed.member === undefined ? file.path : file.path.slice(0, -parsed.member.length - 1);
		const item = items.get(path);
		if (item) item.files.push(file);
		else items.set(path, {path, parsed, files: [file]});
	}
	return items;
}
