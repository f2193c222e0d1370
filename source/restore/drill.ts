/** A restore drill: restores a complete run into a scratch server, and compares the result with what was dumped. */
import {rm} from 'node:fs/promises';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {findRestores} from '../postgres/tools.js';
import {parseVersion} from '../postgres/versions.js';
import {type Dump, type DumpItem, sizeOf} from '../repository/dump-items.js';
import type {LocationId} from '../repository/locations.js';
import type {Manifest, ManifestFile} from '../repository/manifest.js';
import {openPlace, type Place} from '../repository/place.js';
import {recordedFiles, withPrivateManifest} from '../repository/private-manifest.js';
import {writeProof} from '../repository/proofs.js';
import {nothingMatches, unmatchedTask} from '../repository/selection.js';
import type {RunContext, RunResult} from '../runs/context.js';
import {loadRunDecryption} from '../runs/identities.js';
import {resultOf} from '../runs/outcome.js';
import {findOptions} from '../runs/prepare-backup.js';
import {runJobs} from '../runs/run-jobs.js';
import type {JobControl, Task} from '../runs/scheduler.js';
import {needsOf} from './archive-facts.js';
import {drillServerCommand} from './command-line.js';
import {compareRestored} from './compare-restored.js';
import {bareDefinition} from './database-definition.js';
import {type Budget, stalestFirst, startBudget} from './drill-budget.js';
import {openDrillDirectory} from './drill-directory.js';
import {bootstrapRole, restoreGlobals} from './drill-globals.js';
import {type DrillPlan, missingError, planDrills} from './drill-plan.js';
import type {DrillShared} from './drill-shared.js';
import {type DrillTarget, openDrillTarget} from './drill-target.js';
import {dumpBytes, type DumpSource, dumpSource} from './dump-bytes.js';
import {fillDatabase} from './fill-database.js';
import {stopError} from './findings.js';
import {newerArchive} from './newer-dump.js';
import {readPlainNeeds} from './plain-dump.js';
import {chooseTool, entriesOf} from './plan-restore.js';
import {isPlain, localeFindings, readDump, textOf} from './prepare-dumps.js';
import {applyInside} from './raw-properties.js';
import {withReadAccess} from './read-access.js';
import {drillLock} from './restore-locks.js';
import {type RestoreOptions, restoreOptions} from './restore-options.js';
import type {DatabasePlan, PreparedDump} from './restore-plan.js';
import {dropOwnDatabase} from './restore-target.js';
import {startProgress} from './run-planned.js';
import {commentOf, inTransaction, propertiesOf} from './settings-and-rename.js';

/**
 * Runs the drill. `selected` accepts paths of the place; without it the command line's patterns for files and databases
 * are used.
 */
export async function runRestoreDrill(
	run: RunContext,
	where: LocationId,
	selected?: (path: string) => boolean,
): Promise<RunResult> {
	const place = await openPlace(run, where);
	try {
		const seconds = selected ? 0 : run.configuration.settings.budget;
		const {
			plans: found,
			unmatched,
			seen,
			checksums,
		} = await planDrills(run, place, {selected, newestOfEach: seconds > 0});
		const plans = seconds > 0 ? await stalestFirst(run, place, found) : found;
		const budget = seconds > 0 ? startBudget(run, seconds) : undefined;
		const failures: PgBackError[] = [];
		let others = unmatched.map(pattern =>
			unmatchedTask('restore', pattern, nothingMatches(pattern, place.label, seen)),
		);
		for (const plan of plans) {
			if (run.signal.aborted) break;
			if (budget?.isUsed() && plan.missing.length === 0) {
				const text = `the time of --budget is used: ${plural(plan.dumps.length, 'database')} left for the next drill`;
				run.emit({type: 'log', level: 'info', text});
				continue;
			}
			try {
				const {error} = await drillRun(run, place, plan, {others, budget, checksums});
				if (error) failures.push(error);
				others = [];
			} catch (error) {
				failures.push(toPgBackError(error));
			}
		}
		return resultOf(failures, run.signal);
	} finally {
		await place.close();
	}
}

/** Runs one plan. `others` are tasks to run at the same time. */
async function drillRun(
	run: RunContext,
	place: Place,
	plan: DrillPlan,
	{
		others,
		budget,
		checksums,
	}: {
		readonly others: readonly Task[];
		readonly budget: Budget | undefined;
		readonly checksums: ReadonlySet<string>;
	},
): Promise<RunResult> {
	const encrypted = [plan.globals, ...plan.dumps].some(item => item?.files.some(file => file.path.endsWith('.age')));
	const keys = encrypted ? await loadRunDecryption(run) : undefined;
	const manifest = plan.found && (await withPrivateManifest(run, place, plan.found, keys));
	const known = manifest ? recordedFiles(manifest) : new Map<string, ManifestFile>();
	const source = dumpSource(place, keys, {known, checksums});
	announce(run.emit, plan, place.label);
	const directory = await openDrillDirectory(run);
	try {
		const target = await openDrillTarget(run, manifest, directory, await dumpedSuperuser(run.signal, source, plan));
		const progress = await startProgress(run, target, manifest, drillLock(run.tag));
		try {
			const shared: DrillShared = {
				...{run, plan, target, source, manifest, progress},
				options: drillOptions(run, plan, target),
				directory: directory.work,
				restores: await findRestores(findOptions(run)),
				proofs: [],
				isDrill: true,
			};
			const tasks = tasksOf(shared).map(task =>
				budget && task.plan.stages.includes('verify') ? budget.within(task) : task,
			);
			const result = await runJobs(run, 1, () => [...tasks, ...others], progress);
			if (plan.found) await writeProof(run, place, plan.found, shared.proofs);
			return result;
		} finally {
			await progress.stop();
			await target.close();
		}
	} finally {
		await directory.close();
	}
}

/** Restores everything in a dump, and compares it row by row; without globals there are no owners. */
function drillOptions(
	run: Pick<RunContext, 'configuration' | 'now'>,
	{globals}: DrillPlan,
	{inventory}: DrillTarget,
): RestoreOptions {
	const hasRoles = globals !== undefined;
	return {
		...restoreOptions(run),
		...{data: true, only: undefined, skip: [], locale: undefined, compare: 'rows'},
		privileges: hasRoles,
		owner: hasRoles ? undefined : inventory.user,
	};
}

/**
 * Returns the name for the superuser of a scratch server: that of the dumped server, if its globals are readable and
 * contain it.
 */
async function dumpedSuperuser(signal: AbortSignal, source: DumpSource, {globals}: DrillPlan): Promise<string> {
	if (!globals) return 'postgres';
	try {
		return bootstrapRole(Buffer.from(await textOf(dumpBytes(source, globals.path, signal))).toString('latin1'));
	} catch {
		signal.throwIfAborted();
		return 'postgres'; // the job that restores them reports why
	}
}

function announce(emit: Emit, {found, dumps, globals}: DrillPlan, label: string): void {
	const manifest = found?.manifest;
	const what = manifest
		? `run ${manifest.runId} of ${manifest.start}`
		: 'the newest group of dumps, which has no manifest,';
	emit({type: 'log', level: 'info', text: `restoring ${plural(dumps.length, 'database')} of ${what} at ${label}`});
	if (globals) return;
	emit({
		type: 'log',
		level: 'warn',
		text: 'this run has no globals: owners and privileges are not restored',
	});
}

function tasksOf(shared: DrillShared): Task[] {
	const {globals, dumps, missing} = shared.plan;
	return [
		...(globals ? [globalsTask(shared, globals)] : []),
		...dumps.map((dump): Task => ({
			plan: {
				id: `restore:${dump.path}`,
				kind: 'restore',
				name: dump.database,
				stages: ['download', 'create', 'load', ...(isPlain(dump) ? [] : (['index'] as const)), 'verify'],
				estimatedBytes: sizeOf(dump),
			},
			run: control => drillDatabase(shared, dump, control),
		})),
		...missing.map((path): Task => ({
			plan: {id: `restore:${path}`, kind: 'restore', name: path, stages: ['load']},
			run: () => Promise.reject(missingError(path)),
		})),
	];
}

function globalsTask(shared: DrillShared, globals: DumpItem): Task {
	return {
		plan: {
			id: 'restore:globals',
			kind: 'restore',
			name: 'pg_globals',
			stages: ['download', 'load'],
			estimatedBytes: sizeOf(globals),
		},
		async run(control) {
			control.meter.start('download');
			control.meter.start('load');
			await restoreGlobals(shared, globals, control);
			control.meter.finish('download');
			control.meter.finish('load');
			const detail = `into ${shared.target.label}`;
			shared.run.emit({type: 'job.result', job: control.id, result: 'restored', detail});
		},
	};
}

/**
 * Restores, compares, and drops the database again, so that only one at a time needs disk space. Throws CORRUPT for a
 * difference.
 */
async function drillDatabase(shared: DrillShared, dump: Dump, control: JobControl): Promise<void> {
	const {target, run} = shared;
	const plan = await planDump(shared, dump, control.signal);
	const fetched: string[] = [];
	try {
		// In a scratch server: a database created by initdb.
		if (target.scratch) await dropOwnDatabase(target, plan.hidden);
		const filled = await fillDatabase(shared, plan, control, fetched);
		control.meter.start('verify');
		const {detail, proof} = await withReadAccess(target, plan.hidden, control.signal, () =>
			compareRestored(shared, plan, filled, control.signal),
		);
		if (target.scratch) await applyProperties(shared, plan);
		control.meter.finish('verify');
		const into = `into ${target.label}: ${detail}`;
		run.emit({type: 'job.result', job: control.id, result: proof.verdict ?? 'restored', detail: into});
		shared.proofs.push(proof);
	} finally {
		for (const path of fetched) await rm(path, {recursive: true, force: true});
		await dropDrilled(run, target, plan.hidden);
	}
}

/** A failure is reported: nothing else would name a database that is left in a given server. */
async function dropDrilled(
	{emit, configuration}: Pick<DrillShared['run'], 'emit' | 'configuration'>,
	target: DrillTarget,
	database: string,
): Promise<void> {
	try {
		await dropOwnDatabase(target, database);
	} catch (error) {
		if (target.scratch) return; // removed with its server
		emit({
			type: 'log',
			level: 'warn',
			text: `the database ${display(database)} of the drill still exists (${messageOf(error)}): run ${drillServerCommand(configuration, {cleanupRestores: true})} to drop it`,
		});
	}
}

/** Applies the last step of a restore, except the name. */
async function applyProperties({run, target, options}: DrillShared, plan: DatabasePlan): Promise<void> {
	const {session, inventory} = target;
	const properties = propertiesOf(plan, options, inventory, new Set(inventory.roles.keys()));
	const comment = commentOf(plan, inventory, plan.hidden);
	await inTransaction(session, [...properties.shared, ...comment.shared]);
	await applyInside(run, target, plan.hidden, [...properties.inside, ...comment.inside]);
}

/** Throws TARGET_LACKS, as the plan of a restore does, before anything is created in a server that is too old. */
async function refuseNewer(
	{run, source, target, options, manifest}: DrillShared,
	{dump, toc, definition}: Pick<PreparedDump, 'dump' | 'toc' | 'definition'>,
	signal: AbortSignal,
): Promise<void> {
	const {database} = dump;
	const newer = toc
		? newerArchive(toc.entries, {toc, database}, {target: target.inventory, options})
		: // Reading a plain dump twice takes time.
			isOlder(target.inventory.version, manifest)
			? (await readPlainNeeds({run, source, target, options}, dump)).newer
			: [];
	const findings = [...(definition ? await localeFindings(database, definition, target) : []), ...newer];
	signal.throwIfAborted();
	const stop = stopError(findings);
	if (stop) throw stop;
	for (const {text} of findings) run.emit({type: 'log', level: 'info', text});
}

/** True also for a dump of an unknown server. */
function isOlder(version: number, manifest: Manifest | undefined): boolean {
	const dumped = manifest && parseVersion(`x ${manifest.server.version}`);
	return dumped === undefined || Math.floor(dumped / 10_000) > Math.floor(version / 10_000);
}

async function planDump(shared: DrillShared, dump: Dump, signal: AbortSignal): Promise<DatabasePlan> {
	const {source, target, options, restores} = shared;
	const {inventory} = target;
	const read = await readDump(source, dump, signal);
	const {toc, format, encrypted} = read;
	const pgRestore = toc && chooseTool(restores, toc.minor, inventory.version);
	if (toc && !pgRestore)
		throw new PgBackError('TOOLS', `no pg_restore for the archive version 1.${toc.minor}`, {
			hint: 'install a newer PostgreSQL client, or set bin_directory',
		});
	const name = target.databaseName(dump.database);
	const prepared = {
		...read,
		needs: needsOf(toc?.entries ?? [], toc?.sharedText),
		isEmpty: false,
		findings: [],
		closure: undefined,
	};
	await refuseNewer(shared, prepared, signal);
	const isHere = source.place.localPath !== undefined && !encrypted;
	return {
		prepared,
		target: name,
		hidden: name,
		mode: 'create',
		previous: undefined,
		definition: read.definition ?? bareDefinition(dump.database),
		road: format === 'plain' ? 'psql' : isHere ? 'in place' : 'file',
		jobs: format === 'plain' || format === 'tar' ? 1 : options.jobs,
		pgRestore,
		...entriesOf(prepared, options, inventory.version),
	};
}
