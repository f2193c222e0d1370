/**
 * `--purge`: purges one place as a separate command, for a host that may delete while the dumping hosts may not. Uses
 * the same plan as at the end of a backup, with facts from the manifests instead of the server.
 */
import {PgBackError} from '../core/errors.js';
import type {NewEvent} from '../core/events.js';
import {plural} from '../lib/format.js';
import {findDumps} from '../repository/check-age.js';
import type {FoundManifest} from '../repository/found-manifest.js';
import {backupLocation, type LocationId} from '../repository/locations.js';
import {identityOf} from '../repository/manifest.js';
import {remoteRecords} from '../repository/manifests.js';
import {openPlace, type Place} from '../repository/place.js';
import type {Subject} from '../retention/names.js';
import {formatAge} from '../retention/policy.js';
import {executeLocalPurge} from '../retention/purge.js';
import {executeRemotePurge} from '../retention/purge-remote.js';
import type {ServerIdentity} from '../retention/server-identity.js';
import type {ConfiguredContext, RunResult, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {shrunkIn} from './find-shrunk.js';
import {type PlacePlanned, planBackupDirectory, planRemoteLocation} from './plan-purge.js';

export type PurgePlanned = PlacePlanned & {
	/** Databases without a new dump; their old dumps are kept. */
	readonly skipped: readonly string[];
};

const day = 86_400_000;

/**
 * Plans and executes. Fails with what could not be removed; files that the place has locked are kept, which is not a
 * failure.
 */
export async function runPurge(run: StoreContext, where: LocationId): Promise<RunResult> {
	run.emit({type: 'run.phase', phase: 'purging', text: 'purging old dumps'});
	const place = await openPlace(run, where);
	try {
		const {purge, errors, skipped} = await planPurge(run, place);
		for (const text of [...purge.plan.warnings, ...skipped]) run.emit({type: 'log', level: 'warn', text});
		const counted = {removed: 0, locked: 0};
		const emit = (event: NewEvent) => {
			run.emit(event);
			if (event.type === 'file.removed') counted.removed++;
			if (event.type !== 'file.kept' || !event.locked) return;
			counted.locked++;
			run.emit({type: 'log', level: 'info', text: `kept ${event.path}: ${event.reason}`});
		};
		const options = {emit, signal: run.signal};
		const failures = [
			...errors,
			...(await (place.remote
				? executeRemotePurge(purge.plan, {...options, storage: place.remote.storage})
				: executeLocalPurge(purge.plan, {...options, tag: run.tag}))),
		];
		for (const {message} of failures) run.emit({type: 'log', level: 'error', text: message});
		const locked = counted.locked === 0 ? '' : `, ${plural(counted.locked, 'file')} kept by a lock`;
		const text = `removed ${plural(counted.removed, 'file')} from ${place.label}${locked}`;
		run.emit({type: 'log', level: 'info', text});
		return resultOf(failures, run.signal);
	} finally {
		await place.close();
	}
}

/** Returns the plan without executing it. */
export async function planPurgeOf(run: StoreContext, where: LocationId): Promise<PurgePlanned> {
	const place = await openPlace(run, where);
	try {
		return await planPurge(run, place);
	} finally {
		await place.close();
	}
}

async function planPurge(run: ConfiguredContext, opened: Place): Promise<PurgePlanned> {
	const manifests = await opened.manifests(run.signal);
	const place: Place = {...opened, manifests: () => Promise.resolve(manifests)}; // downloaded once
	const {arguments: names, forDatabase} = run.configuration;
	const start = run.now().getTime();
	const {good, seen} = await findDumps(run, place, start);
	const missing = names.find(name => !seen.has(name));
	if (missing !== undefined)
		throw new PgBackError('NOTHING_TO_DO', `there is no dump of database "${missing}" at ${place.label}`);
	const databases = names.length > 0 ? names : [...seen];
	// If dumps fail for longer than they are kept, the last ones must not be removed.
	const age = (name: string) => start - (good.get(name) ?? -Infinity);
	const isFresh = (name: string) => age(name) <= Math.max(day, forDatabase(name).purgeOlderThan);
	const fresh = databases.filter(isFresh);
	const isWhole = names.length === 0 && fresh.length > 0;
	const special = (isWhole ? (['globals', 'settings', 'hba', 'ident'] as const) : []).map(kind => ({kind}));
	const subjects: readonly Subject[] = [...fresh.map(name => ({kind: 'database', name}) as const), ...special];
	const context = {
		run,
		facts: {
			start,
			inventory: [...seen].map(name => ({name})),
			server: newestServer(manifests),
		},
		subjects,
		shrunk: shrunkIn(manifests.map(({manifest}) => manifest)),
		coming: [],
	};
	const planned = await (place.remote && place.id !== backupLocation
		? planRemoteLocation({...context, remote: place.remote, records: remoteRecords(place.remote, manifests)})
		: planBackupDirectory(context));
	const stale = databases.filter(name => !isFresh(name));
	return {...planned, skipped: stale.map(name => `nothing of ${name} is purged: ${whyStale(age(name))}`)};
}

function whyStale(age: number): string {
	return age === Infinity ? 'there is no good dump of it' : `its newest good dump is ${formatAge(age)} old`;
}

/** Returns the newest server: dumps of others at the same place are not touched. */
function newestServer(manifests: readonly FoundManifest[]): ServerIdentity {
	const newestFirst = manifests.toSorted((a, b) => Date.parse(b.manifest.start) - Date.parse(a.manifest.start));
	return newestFirst[0] ? identityOf(newestFirst[0].manifest) : {};
}
