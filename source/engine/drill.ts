/** A restore drill: a run is restored, whole, into a server of its own, and what is there then is compared with what was dumped. */
import {hostname} from 'node:os';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {countRows, oldestContents, readSchema, rowsOf, type Contents} from '../postgres/contents.js';
import {literal} from '../postgres/quote.js';
import {openSession} from '../postgres/session.js';
import {parseVersion} from '../postgres/versions.js';
import {textOfCommand, type DumpText} from '../stages/dump-text.js';
import type {RunContext, RunResult} from './context.js';
import {runJobs} from './run-jobs.js';
import {
	compareContents,
	compareWithDump,
	describeCompared,
	verdictOf,
	type Compared,
	type Restored,
} from './drill-compare.js';
import {openDrillDirectory} from './drill-directory.js';
import {planDrill, withCompanion, type DrillDump, type DrillPlan} from './drill-plan.js';
import {restoreDump, restoreGlobals, type DrillShared} from './drill-restore.js';
import {dropDatabase, openDrillTarget} from './drill-target.js';
import {loadRunDecryption} from './keys.js';
import {selector} from './patterns.js';
import {openPlace} from './place.js';
import {writeProof, type ProvenDatabase} from './proven.js';
import type {Store} from './remote.js';
import type {Task} from './scheduler.js';

/** `selected` takes paths of the place; without it the patterns of the command line count, for files and for names of databases. */
export async function runRestoreDrill(
	run: RunContext,
	where: 'here' | Store,
	selected?: (path: string) => boolean,
): Promise<RunResult> {
	const place = await openPlace(run, where);
	try {
		const matches = selector(run.configuration.arguments, place.remote?.prefix);
		const bare = await planDrill(run, place, selected ?? ((path, database) => matches(path) || matches(database)));
		const encrypted = [bare.globals, ...bare.dumps].some(item => item?.files.some(file => file.path.endsWith('.age')));
		const keys = encrypted ? await loadRunDecryption(run) : undefined;
		const plan = keys ? await withCompanion(run, place, bare, keys) : bare;
		announce(run, plan, place.label);
		const directory = await openDrillDirectory(run);
		try {
			const target = await openDrillTarget(run, plan.manifest, directory);
			try {
				const shared: DrillShared = {run, place, plan, target, keys, directory: directory.work};
				const proofs: ProvenDatabase[] = [];
				const result = await runJobs(run, 1, () => tasksOf(shared, proofs));
				if (plan.found) await writeProof(run, place, plan.found, proofs);
				return result;
			} finally {
				await target.close();
			}
		} finally {
			await directory.close();
		}
	} finally {
		await place.close();
	}
}

function announce(run: RunContext, {manifest, dumps, globals}: DrillPlan, label: string): void {
	const what = manifest
		? `run ${manifest.runId} of ${manifest.start}`
		: 'the newest group of dumps, which has no manifest,';
	run.emit({type: 'log', level: 'info', text: `restoring ${plural(dumps.length, 'database')} of ${what} at ${label}`});
	if (globals) return;
	run.emit({
		type: 'log',
		level: 'warn',
		text: 'there are no globals in this run: owners and privileges are not restored',
	});
}

function tasksOf(shared: DrillShared, proofs: ProvenDatabase[]): Task[] {
	const {plan} = shared;
	const {globals} = plan;
	const sizeOf = (files: readonly {readonly size: number}[]) => files.reduce((sum, file) => sum + file.size, 0);
	return [
		...(globals
			? [
					{
						plan: {
							id: 'restore:globals',
							kind: 'restore',
							name: 'pg_globals',
							stages: ['download', 'restore'],
							estimatedBytes: sizeOf(globals.files),
						},
						async run(control) {
							control.meter.start('download');
							control.meter.start('restore');
							await restoreGlobals(shared, globals, control);
							control.meter.finish('download');
							control.meter.finish('restore');
							const detail = `into ${shared.target.label}`;
							shared.run.emit({type: 'job.result', job: control.id, result: 'restored', detail});
						},
					} satisfies Task,
				]
			: []),
		...plan.dumps.map((dump): Task => ({
			plan: {
				id: `restore:${dump.path}`,
				kind: 'restore',
				name: dump.database,
				stages: ['download', 'restore', 'verify'],
				estimatedBytes: sizeOf(dump.files),
			},
			run: async control => {
				const {meter} = control;
				meter.start('download');
				meter.start('restore');
				const compared = await drillDatabase(shared, dump, async () => {
					const text = await restoreDump(shared, dump, control);
					meter.finish('download');
					meter.finish('restore');
					meter.start('verify');
					return text;
				});
				meter.finish('verify');
				const detail = `into ${shared.target.label}: ${describeCompared(compared)}`;
				shared.run.emit({type: 'job.result', job: control.id, result: verdictOf(compared), detail});
				proofs.push({
					...compared,
					verdict: verdictOf(compared),
					database: dump.database,
					time: shared.run.now().toISOString(),
					host: hostname(),
					server: shared.target.versionText,
				});
			},
		})),
		...plan.missing.map((path): Task => ({
			plan: {id: `restore:${path}`, kind: 'restore', name: path, stages: ['restore']},
			run: () =>
				Promise.reject(new PgBackError('CORRUPT', `${display(path)} is missing: the manifest of its run names it`)),
		})),
	];
}

/** Restores, compares, and drops the database again: one at a time has to fit. Throws CORRUPT for a difference. */
async function drillDatabase(
	shared: DrillShared,
	dump: DrillDump,
	restore: () => Promise<DumpText>,
): Promise<Compared> {
	const {target, plan} = shared;
	const {database} = dump;
	if (target.scratch) await dropDatabase(target, database);
	else {
		const there = await target.session.query(
			`select 1 from pg_catalog.pg_database where datname = ${literal(database)}`,
		);
		if (there.length > 0) {
			throw new PgBackError('EXISTS', `${display(database)} exists already at ${target.label}`, {
				hint: 'a server for drills must not hold databases of those names',
			});
		}
	}
	try {
		const text = await restore();
		const {contents, restored} = await contentsOf(shared, database, text);
		const {held, problems: lost} = compareWithDump(text, restored);
		const sameMajor = majorOf(plan.manifest?.server.version) === majorOf(target.versionText);
		const {problems, compared} = compareContents(plan.known.get(dump.path)?.plain, contents, sameMajor);
		const all = [...new Set([...lost, ...problems])];
		if (all.length === 0) return {...compared, held};
		throw new PgBackError(
			'CORRUPT',
			`${display(database)} is not as it was dumped: ${display(all.slice(0, 5).join(', '))}`,
			{output: all},
		);
	} finally {
		if (target.session.alive) await dropDatabase(target, database);
	}
}

type Found = {readonly contents: Contents; readonly restored: Restored};

async function contentsOf({run, target}: DrillShared, database: string, text: DumpText): Promise<Found> {
	const {connection, pgDump} = target;
	const session = await openSession({psql: target.psql.path, connection, database, signal: run.signal});
	try {
		await session.query('begin isolation level repeatable read read only');
		const old = target.version < oldestContents;
		const contents = old
			? {schema: [], tables: [], uncounted: 0}
			: {schema: await readSchema(session), ...(await countRows(session))};
		const rows = await rowsOf(
			session,
			text.tables.map(({schema, table}) => inUtf8(schema, table, text.encoding)),
		);
		const there = connection.forDatabase(database);
		const schema =
			pgDump &&
			(await textOfCommand({
				command: pgDump.path,
				args: ['-s', '-w', '-E', text.encoding, ...there.args],
				env: {...there.env, LC_ALL: 'C'},
				signal: run.signal,
				what: `the schema of ${display(database)}`,
			}));
		return {contents, restored: {objects: schema?.objects, rows}};
	} finally {
		await session.close();
	}
}

/** Undefined for what is neither UTF-8 nor plain ASCII. */
function inUtf8(schema: string, table: string, encoding: string): {schema: string; table: string} | undefined {
	if (/^[\u0000-\u007F]*$/.test(schema + table)) return {schema, table};
	if (encoding !== 'UTF8') return undefined;
	const decode = (name: string) => Buffer.from(name, 'latin1').toString();
	return {schema: decode(schema), table: decode(table)};
}

function majorOf(version: string | undefined): number {
	const number = version === undefined ? 0 : (parseVersion(`x ${version}`) ?? 0);
	return Math.floor(number / (number >= 100_000 ? 10_000 : 100));
}
