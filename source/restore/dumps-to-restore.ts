/** Finds the dumps that the user has chosen to restore, by the keys of their files. */
import {PgBackError} from '../core/errors.js';
import type {DumpsToRestore, SourceDump} from '../core/restore-handle.js';
import {display} from '../lib/display.js';
import type {FoundManifest} from '../repository/found-manifest.js';
import {backupLocation, storeOf} from '../repository/locations.js';
import {openPlace, type Place} from '../repository/place.js';
import {dumpPath, parsePath} from '../retention/names.js';
import type {StoreContext} from '../runs/context.js';

const formats: Readonly<Record<string, string>> = {dump: 'custom', tar: 'tar', d: 'directory'};

/** Opens a location and finds the dumps. Throws like `dumpsOf`. */
export async function findDumps(run: StoreContext, location: string, keys: readonly string[]): Promise<DumpsToRestore> {
	const place = await openPlace(run, storeOf(location) ?? backupLocation);
	try {
		return await dumpsOf(place, keys, run.signal);
	} finally {
		await place.close();
	}
}

/** Members and companions of a dump select that dump. Throws NOTHING_TO_DO, or USAGE for dumps of several runs. */
async function dumpsOf(place: Place, keys: readonly string[], signal: AbortSignal): Promise<DumpsToRestore> {
	const manifests = await place.manifests(signal);
	const found = new Map<string, {readonly run: string; readonly time: number; readonly dump: SourceDump}>();
	for (const key of keys) {
		const one = dumpOf(key, manifests);
		if (one) found.set(one.dump.key, one);
	}
	const [first, ...others] = found.values();
	if (!first) {
		throw new PgBackError('NOTHING_TO_DO', 'there is no dump of a database among the chosen files', {
			hint: 'choose a dump, or a run',
		});
	}
	const other = others.find(({run}) => run !== first.run);
	if (other) {
		throw new PgBackError(
			'USAGE',
			`${display(first.dump.key)} and ${display(other.dump.key)} are of different runs: restore one run at a time`,
		);
	}
	const dumps = [...found.values()].map(({dump}) => dump);
	const byDatabase = Map.groupBy(dumps, ({database}) => database);
	return {
		location: place.id,
		label: place.label,
		run: first.run,
		time: first.time,
		// A plain file that was kept next to its encrypted one is the same dump, and needs no key.
		dumps: [...byDatabase.values()].flatMap(group => group.find(dump => !dump.encrypted) ?? group.slice(0, 1)),
	};
}

function dumpOf(key: string, manifests: readonly FoundManifest[]) {
	const parsed = parsePath(key);
	if (parsed?.subject.kind !== 'database' || parsed.checksum !== undefined) return undefined;
	const {suffix, subject} = parsed;
	if (suffix === 'createdb.sql' || suffix === 'out') return undefined;
	const path = dumpPath(key, parsed.member);
	const manifest = manifests.find(one => one.manifest.files.some(file => file.path === path))?.manifest;
	const file = manifest?.files.find(one => one.path === path);
	return {
		run: manifest?.runId ?? parsed.timeText,
		time: manifest === undefined ? parsed.time : Date.parse(manifest.start),
		dump: {
			key: path,
			database: file?.database ?? subject.name,
			bytes: file?.size,
			format: formats[suffix] ?? 'plain',
			encrypted: file === undefined ? parsed.encrypted || key.endsWith('.age') : file.encryption !== undefined,
		},
	};
}
