/** `--restore`: plans everything, reports all obstacles at once, then restores each database separately. */
import {statfs} from 'node:fs/promises';
import {intoName} from '../core/into-name.js';
import {findRestores} from '../postgres/tools.js';
import {listItems} from '../repository/dump-items.js';
import type {LocationId} from '../repository/locations.js';
import {openPlace, type Place} from '../repository/place.js';
import {recordedFiles, withPrivateManifest} from '../repository/private-manifest.js';
import {lastProven, lastRestored, type ProvenDatabase, readProof, writeProof} from '../repository/proofs.js';
import {downloadBase} from '../repository/remote-keys.js';
import type {RunContext, RunResult} from '../runs/context.js';
import {loadRunDecryption} from '../runs/identities.js';
import {findOptions} from '../runs/prepare-backup.js';
import type {Task} from '../runs/scheduler.js';
import {chooseRun, type ChosenRun} from './choose-run.js';
import {removeLeftovers} from './cleanup-restores.js';
import {configurationFindings} from './configuration-difference.js';
import {confirmPlan} from './confirm.js';
import {createRoles, finishRoles} from './created-roles.js';
import {planLines} from './describe-plan.js';
import {openDrillDirectory, workParent} from './drill-directory.js';
import {dumpBytes, type DumpSource, dumpSource} from './dump-bytes.js';
import {stopError} from './findings.js';
import {hasUserObjects} from './leftovers.js';
import {planRestore} from './plan-restore.js';
import {prepareDump, textOf} from './prepare-dumps.js';
import {databaseTask} from './restore-database.js';
import {restoreLock, takeLock} from './restore-locks.js';
import {objectsTask} from './restore-objects.js';
import {type RestoreOptions, restoreOptions} from './restore-options.js';
import {type DatabasePlan, type Finding, type PreparedDump, replacedBy, type RestorePlan} from './restore-plan.js';
import {openRestoreTarget, type RestoreTarget} from './restore-target.js';
import {type Globals, parseGlobals} from './roles.js';
import {runPlanned, startProgress} from './run-planned.js';
import {serverRoom} from './server-room.js';
import {createSessionPool} from './session-pool.js';

/** The facts of a plan, and the resources for executing it. */
type Planned = {
	readonly run: RunContext;
	readonly options: RestoreOptions;
	readonly place: Place;
	readonly target: RestoreTarget;
	readonly chosen: ChosenRun;
	readonly source: DumpSource;
	readonly globals: Globals | undefined;
	readonly plan: RestorePlan;
};

export async function runRestore(run: RunContext, where: LocationId): Promise<RunResult> {
	return withPlan(run, where, async planned => {
		for (const {level, text} of planLines(planned.plan)) run.emit({type: 'log', level, text});
		const stop = stopError(planned.plan.findings);
		if (stop) throw stop;
		await confirmPlan(run, replacedBy(planned.plan), planned.options.confirmed);
		await takeLock(planned.target.session, restoreLock(run.tag));
		await removeLeftovers(run, planned.target);
		return execute(planned);
	});
}

/** Makes the plan without changing anything. Obstacles are in its findings. */
export async function planOf(run: RunContext, where: LocationId): Promise<RestorePlan> {
	return withPlan(run, where, async ({plan}) => plan);
}

async function withPlan<T>(run: RunContext, where: LocationId, act: (planned: Planned) => Promise<T>): Promise<T> {
	const options = restoreOptions(run);
	const place = await openPlace(run, where);
	try {
		const {items, checksums} = await listItems(place, run.signal);
		const chosen = chooseRun(
			items,
			await place.manifests(run.signal),
			{
				patterns: options.patterns,
				...(place.remote
					? {prefix: place.remote.prefix}
					: {directory: downloadBase(run.configuration.settings.backupDirectory)}),
				...(options.run !== undefined && {run: options.run}),
				...(options.asOf !== undefined && {asOf: options.asOf}),
			},
			place.label,
		);
		const encrypted = [chosen.globals, ...chosen.dumps].some(item =>
			item?.files.some(file => file.path.endsWith('.age')),
		);
		const keys = encrypted ? await loadRunDecryption(run) : undefined;
		const known = chosen.found
			? recordedFiles(await withPrivateManifest(run, place, chosen.found, keys))
			: chosen.known;
		const source = dumpSource(place, keys, {known, checksums});
		const nameOf = (database: string) => intoName(options.into ?? '', database, new Date(chosen.time));
		const taken = new Set(options.replace ? chosen.dumps.map(dump => nameOf(dump.database)) : []);
		const target = await openRestoreTarget(run, taken);
		try {
			const prepared: PreparedDump[] = [];
			for (const dump of chosen.dumps)
				prepared.push(await prepareDump({run, source, target, options}, {dump, onlyName: nameOf(dump.database)}));
			const globals = chosen.globals && parseGlobals(await textOf(dumpBytes(source, chosen.globals.path, run.signal)));
			const plan = planRestore({
				options,
				inventory: target.inventory,
				chosen,
				known,
				prepared,
				globals,
				differences: await differencesFor(run.signal, source, {chosen, target, options}),
				restores: await findRestores(findOptions(run)),
				untouched: await untouchedOf(target, run.signal),
				network: place.remote !== undefined && place.id !== 'local',
				serverRoom: await serverRoom(target),
				room: await roomIn(workParent(run, 'restore')),
				location: place.label,
				label: target.label,
				proven: await provenText(run, place, chosen),
				tag: run.tag,
				now: run.now(),
			});
			return await act({run, options, place, target, chosen, source, globals, plan});
		} finally {
			await target.close();
		}
	} finally {
		await place.close();
	}
}

/** Only for a restore of the whole server, because a database has no settings of the server. */
async function differencesFor(
	signal: AbortSignal,
	source: DumpSource,
	{chosen, target, options}: Pick<Planned, 'chosen' | 'target' | 'options'>,
): Promise<readonly Finding[]> {
	if (options.patterns.length > 0) return [];
	const read = (path: string) => textOf(dumpBytes(source, path, signal));
	return configurationFindings(chosen.configuration, target.session, read, signal);
}

/** Every server has postgres and template1: when they are empty there and in the dump, there is nothing to restore. */
async function untouchedOf(target: RestoreTarget, signal: AbortSignal): Promise<ReadonlySet<string>> {
	const untouched = new Set<string>();
	for (const name of ['postgres', 'template1']) {
		if (!target.inventory.databases.get(name)?.allowsConnections) continue;
		try {
			if (await isEmpty(target, name)) untouched.add(name);
		} catch {
			signal.throwIfAborted(); // a database that cannot be read, because it is damaged, is not known to be empty
		}
	}
	return untouched;
}

async function isEmpty({open}: RestoreTarget, database: string): Promise<boolean> {
	const session = await open(database);
	try {
		return !(await hasUserObjects(session));
	} finally {
		await session.close();
	}
}

async function roomIn(directory: string): Promise<number> {
	const {bavail, bsize} = await statfs(directory);
	return bavail * bsize;
}

async function provenText(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
	{found}: ChosenRun,
): Promise<string> {
	if (!found) return 'never restored in a drill';
	const proof = await readProof(run, place, found);
	const [proven, restored] = [lastProven(found.manifest, proof), lastRestored(found.manifest, proof)];
	if (proven !== undefined) return `proven by a restore of ${new Date(proven).toISOString()}`;
	return restored === undefined ? 'never restored in a drill' : `last restored ${new Date(restored).toISOString()}`;
}

async function execute({run, options, place, target, chosen, source, plan}: Planned): Promise<RunResult> {
	const directory = await openDrillDirectory(run, 'restore');
	const restored: string[] = [];
	let isFailed = true;
	try {
		await createRoles(run, target, plan.roles);
		const proofs: ProvenDatabase[] = [];
		const lock = restoreLock(run.tag);
		const roles = new Set([...target.inventory.roles.keys(), ...plan.roles.create.map(role => role.name)]);
		const progress = await startProgress(run, target, chosen.manifest, lock);
		const shared = {
			run,
			source,
			manifest: chosen.manifest,
			options,
			directory: directory.work,
			roles,
			proofs,
			restored,
			progress,
			renew: () => Promise.resolve(target),
		};
		const pool = createSessionPool(target, lock);
		const taskOf = (one: DatabasePlan): Task => {
			const make = one.mode === 'only' ? objectsTask : databaseTask;
			const task = make({...shared, target}, one);
			return {
				...task,
				run: control => pool.use((own, renew) => make({...shared, target: own, renew}, one).run(control)),
			};
		};
		const result = await runPlanned(run, plan, target, {taskOf, progress}).finally(async () => {
			await progress.stop();
			await pool.close();
		});
		isFailed = result.outcome !== 'done' && restored.length === 0;
		if (chosen.found && chosen.manifest) await writeProof(run, place, chosen.found, proofs);
		return result;
	} finally {
		await finishRoles(run, target, plan.roles, {isFailed});
		await directory.close();
	}
}
