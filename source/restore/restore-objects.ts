/**
 * The job that restores objects into an existing database: one transaction, which creates what is missing and nothing
 * else.
 */
import {rm} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import {plural} from '../lib/format.js';
import {startChild} from '../process/child.js';
import type {JobControl, Task} from '../runs/scheduler.js';
import {runPsqlScript} from '../stages/psql-script.js';
import {hasDefaultPrivileges, restoreDefaultPrivileges, setDefaultPrivilegesAside} from './default-privileges.js';
import {checkInPlace, fetchDump} from './dump-bytes.js';
import {endWorkers, rowSecurity, sessionOptions} from './load.js';
import {writeList} from './load-entries.js';
import type {RestoreShared} from './restore-database.js';
import {hintFor, unnamedEntry} from './restore-log.js';
import type {DatabasePlan} from './restore-plan.js';

export function objectsTask(shared: RestoreShared, plan: DatabasePlan): Task {
	const {dump, bytes, format} = plan.prepared;
	return {
		plan: {
			id: `restore:${dump.path}`,
			kind: 'restore',
			name: plan.target,
			stages: ['download', 'load'],
			estimatedBytes: bytes,
			format,
		},
		run: control => restoreObjects(shared, plan, control),
	};
}

async function restoreObjects(shared: RestoreShared, plan: DatabasePlan, control: JobControl): Promise<void> {
	const {run, target, source, directory} = shared;
	const {meter, signal} = control;
	const count = (bytes: number) => meter.count('download', bytes);
	meter.start('download');
	let fetched: string | undefined;
	try {
		// The whole dump is read and compared before anything in the live database changes.
		if (plan.road === 'in place') await checkInPlace(source, plan.prepared, signal, count);
		else fetched = await fetchDump(source, plan.prepared, directory, {signal, onBytes: count});
		meter.finish('download');
		const archive = fetched ?? source.place.localPath?.(plan.prepared.dump.path);
		if (archive === undefined) throw new PgBackError('BUG', 'a dump in place without a path');
		meter.start('load');
		await loadObjects(shared, plan, control, archive);
		shared.restored.push(plan.target);
		meter.finish('load');
		const {entries, needed, dependents} = plan.prepared.closure ?? {entries: [], needed: [], dependents: []};
		const more = [
			needed.length > 0 ? `${needed.length} needed` : '',
			dependents.length > 0 ? `${dependents.length} that depend on them` : '',
		];
		const detail = `into ${display(plan.target)} at ${target.label}: ${plural(entries.length, 'entry', 'entries')}, ${['one transaction', ...more.filter(Boolean)].join(', ')}`;
		run.emit({type: 'job.result', job: control.id, result: 'restored', detail});
	} finally {
		if (fetched !== undefined) await rm(fetched, {recursive: true, force: true});
	}
}

/** Statements that would end the transaction, or that pg_back executes itself. */
const words: ReadonlySet<string> = new Set([
	...[
		'begin',
		'commit',
		'end',
		'rollback',
		'abort',
		'start',
		'prepare',
		'savepoint',
		'release',
		'set',
		'drop',
		'alter',
	],
]);

async function loadObjects(
	shared: RestoreShared,
	plan: DatabasePlan,
	control: JobControl,
	archive: string,
): Promise<void> {
	const {run, target, options} = shared;
	const {pgRestore, prepared} = plan;
	const list = await writeList(shared, plan);
	if (!pgRestore || list === undefined) throw new PgBackError('BUG', 'objects without a pg_restore or a list');
	const {inventory} = target;
	const text = scriptOf({
		command: pgRestore.path,
		args: [
			...['-f', '-', '-L', list],
			...rowSecurity(pgRestore),
			...(options.owner === undefined ? [] : ['--no-owner']),
			...(options.privileges ? [] : ['--no-privileges']),
			...([...prepared.needs.tablespaces].every(name => inventory.tablespaces.has(name)) ? [] : ['--no-tablespaces']),
			...['--', archive],
		],
		env: {...run.toolEnv, LC_ALL: 'C'},
		signal: control.signal,
		what: display(prepared.dump.database),
	});
	const connection = target.connection.forDatabase(plan.target);
	const role =
		options.owner === undefined ? '' : ` -c role=${options.owner.replaceAll(/[\s\\]/g, character => `\\${character}`)}`;
	const errors = await runPsqlScript({
		psql: target.psql,
		connection: {
			...connection,
			env: {
				...connection.env,
				PGOPTIONS: `${sessionOptions(connection.env['PGOPTIONS'], inventory, {isLive: true})}${role}`,
			},
		},
		source: inOneTransaction(
			text,
			options.privileges && (await hasDefaultPrivileges(target, plan.target, control.signal)),
		),
		rules: {
			what: prepared.dump.path,
			words,
			statement: statement => passes(statement, prepared.dump.path, inventory.version),
		},
		signal: control.signal,
		onLine: line => run.emit({type: 'job.output', job: control.id, line}),
	});
	if (errors.length === 0) return;
	throw new PgBackError(
		'FAILED',
		`cannot bring the objects back into ${display(plan.target)}: ${display(errors[0] ?? '')}`,
		{
			output: errors,
			hint: hintFor(errors.join(' ')) ?? unnamedEntry,
		},
	);
}

const ours = /^\s*(?:begin \/\* pg_back \*\/|commit \/\* pg_back \*\/)$/;

/** Undefined omits a statement. Throws CORRUPT for one that would end our transaction, or remove something. */
function passes(statement: string, path: string, version: number): string | undefined {
	if (ours.test(statement)) return statement;
	if (/^\s*set\s+transaction_timeout\b/i.test(statement)) return version < 170_000 ? undefined : statement;
	// pg_dump sets the session authorization for privileges that a role other than the owner has granted.
	if (/^\s*(?:set|alter)\s/i.test(statement) && !/^\s*set\s+transaction\s/i.test(statement)) return statement;
	throw new PgBackError(
		'CORRUPT',
		`${display(path)} holds a statement that no restore of objects needs: ${display(statement.trim().slice(0, 60))}`,
		{
			hint: 'it was not written by pg_dump; find out who changed it',
		},
	);
}

/** COMMIT is sent only after a complete script. */
async function* inOneTransaction(
	text: AsyncIterable<Uint8Array>,
	setsDefaultsAside: boolean,
): AsyncGenerator<Uint8Array> {
	yield Buffer.from('begin /* pg_back */;\n');
	if (setsDefaultsAside) yield Buffer.from(`${setDefaultPrivilegesAside};\n`);
	yield* text;
	if (setsDefaultsAside) yield Buffer.from(`${restoreDefaultPrivileges};\n`);
	yield Buffer.from('commit /* pg_back */;\n');
}

type Script = {
	readonly command: string;
	readonly args: readonly string[];
	readonly env: Environment;
	readonly signal: AbortSignal;
	readonly what: string;
};

async function* scriptOf({what, ...command}: Script): AsyncGenerator<Uint8Array> {
	const child = startChild({...command, stdout: 'pipe', stderr: 'messages'});
	child.done.catch(() => undefined); // awaited below
	try {
		for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) yield chunk;
		const {exitCode, stderr} = await child.done;
		if (exitCode !== 0)
			throw new PgBackError(
				'CORRUPT',
				`the archive of ${what} cannot be read: ${stderr.at(-1) ?? `exit status ${String(exitCode)}`}`,
				{output: stderr},
			);
	} finally {
		endWorkers(child);
	}
}
