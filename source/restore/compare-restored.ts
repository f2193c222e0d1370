/** Compares a restored database with the contents of its dump, and with what was recorded at the time of the dump. */
import {hostname} from 'node:os';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {decodeRaw} from '../lib/raw-text.js';
import {decoderFor, isDecodable} from '../postgres/archive-encoding.js';
import {literal} from '../postgres/quote.js';
import {oldestContents, readSchema, rowsOf, type TableRows} from '../postgres/recorded-contents.js';
import type {Session} from '../postgres/session.js';
import {parseVersion} from '../postgres/versions.js';
import type {PlainFacts} from '../repository/manifest.js';
import type {ProvenDatabase} from '../repository/proofs.js';
import {describeCompared, verdictOf} from '../repository/verdict.js';
import {type DumpText, textOfCommand} from '../stages/dump-text.js';
import {objectsOf} from './archive-facts.js';
import {tocOfDatabase} from './database-toc.js';
import {compareContents, compareWithDump, type Comparison, type CountedRows} from './drill-compare.js';
import type {FillContext, Filled} from './fill-context.js';
import type {DatabasePlan} from './restore-plan.js';

/** Returns what was compared, for people and for the proof. Throws CORRUPT, with all differences in its output. */
export async function compareRestored(
	context: FillContext,
	plan: DatabasePlan,
	filled: Filled,
	signal: AbortSignal,
): Promise<{readonly detail: string; readonly proof: ProvenDatabase}> {
	const {run, target} = context;
	const {dump, toc} = plan.prepared;
	const text = filled.text ? inUtf8(filled.text) : await archiveText(context, plan, filled, signal);
	const session = await target.open(plan.hidden, signal);
	try {
		await session.query('begin isolation level repeatable read read only');
		// Rows that a policy hides are an error, not a difference.
		await session.query('set local row_security = off');
		const encoding = filled.text?.encoding ?? toc?.encoding ?? 'UTF8';
		const present = await tocOfDatabase(run, target, plan.hidden, {signal, encoding});
		const rows = await rowsOf(session, text.tables.map(namesOf));
		const held = compareWithDump(text, {objects: present && objectsOf(present.entries), rows});
		const {compared, problems} = await compareRecorded(context, plan, session);
		const all = [...new Set([...held.problems, ...problems])];
		if (all.length > 0)
			throw new PgBackError(
				'CORRUPT',
				`${display(dump.database)} is not as it was dumped: ${display(all.slice(0, 5).join(', '))}`,
				{output: all},
			);
		const result = {...compared, held: held.held};
		const proof = {
			...result,
			verdict: verdictOf(result),
			database: dump.database,
			time: run.now().toISOString(),
			host: hostname(),
			server: target.inventory.versionText,
		};
		return {detail: describeCompared(result), proof};
	} finally {
		await session.close();
		run.signal.throwIfAborted();
	}
}

/** Returns whether a plan omits only what the server cannot load. */
function isWhole({options}: FillContext, {prepared}: DatabasePlan): boolean {
	return options.skip.length === 0 && prepared.closure === undefined;
}

/** Compares with what was recorded at the time of the dump: rows of tables, and the schema. */
function recordedFor(context: FillContext, plan: DatabasePlan): PlainFacts | undefined {
	const recorded = context.source.known.get(plan.prepared.dump.path)?.plain;
	if (!recorded || !isWhole(context, plan) || context.target.inventory.version < oldestContents) return undefined;
	return context.options.data ? recorded : {...recorded, tables: []};
}

/** Returns whether the rows in the archive itself are compared: on request, or because they were not recorded. */
export function needsRows(context: FillContext, plan: DatabasePlan): boolean {
	const {data, compare} = context.options;
	if (!data || compare === 'none' || !isWhole(context, plan)) return false;
	return compare === 'rows' || recordedFor(context, plan)?.tables === undefined;
}

async function compareRecorded(context: FillContext, plan: DatabasePlan, session: Session): Promise<Comparison> {
	const facts = recordedFor(context, plan);
	const dumped = majorOf(context.manifest?.server.version ?? plan.prepared.toc?.serverVersion);
	const sameMajor = dumped === Math.floor(context.target.inventory.version / 10_000);
	const tables = await countTables(session, facts?.tables ?? []);
	const compare = async (asConfigured: boolean) => {
		const schema = facts?.schema ? await readSchema(session, {asConfigured}) : [];
		return compareContents(facts, {schema, tables, uncounted: 0}, sameMajor);
	};
	const comparison = await compare(false);
	if (comparison.problems.length === 0 || !facts?.schema) return comparison;
	// Early manifests of 3.1 have definitions as the dumped server was configured to print them.
	const asConfigured = await compare(true);
	return asConfigured.problems.length === 0 ? asConfigured : comparison;
}

/**
 * Returns the contents of an archive, in UTF-8: objects from its table of contents; rows from its text, if no better
 * source is available or if requested, and if they were counted while it was loaded or it can be read again.
 */
async function archiveText(
	context: FillContext,
	plan: DatabasePlan,
	{archive, rows}: Filled,
	signal: AbortSignal,
): Promise<DumpText> {
	const {run} = context;
	const {prepared, entries, pgRestore} = plan;
	const chosen = entries && new Set(entries);
	const objects = objectsOf(prepared.toc?.entries.filter(entry => chosen?.has(entry.dumpId) ?? true) ?? []);
	if (rows || !needsRows(context, plan) || archive === undefined || !pgRestore)
		return {objects, tables: rows ?? [], inserts: false, encoding: 'UTF8'};
	const read = await textOfCommand({
		command: pgRestore.path,
		args: ['-f', '-', '--', archive],
		env: {...run.toolEnv, LC_ALL: 'C'},
		signal,
		what: `the text of ${display(prepared.dump.database)}`,
	});
	return {...inUtf8(read), objects};
}

/** One character per byte, before and after. */
function inUtf8({objects, tables, inserts, encoding}: DumpText): DumpText {
	const decode = decoderFor(encoding);
	const bytes = (name: string) => (encoding === 'UTF8' ? name : Buffer.from(decode(name)).toString('latin1'));
	// In SQL_ASCII names are any bytes, which the session sends as they are.
	const ofTable = encoding === 'SQL_ASCII' || !isDecodable(encoding) ? (name: string) => name : bytes;
	return {
		objects: new Set([...objects].map(bytes)),
		tables: tables.map(one => ({...one, schema: ofTable(one.schema), table: ofTable(one.table)})),
		inserts,
		encoding: 'UTF8',
	};
}

/** Databases without an encoding may have names that are not UTF-8. */
function namesOf({schema, table}: DumpText['tables'][number]): {schema: string; table: string} {
	return {schema: decodeRaw(Buffer.from(schema, 'latin1')), table: decodeRaw(Buffer.from(table, 'latin1'))};
}

/** Counts the tables that were counted at the time of the dump. Names are quoted as by `format('%I.%I')`. */
async function countTables(session: Session, recorded: readonly TableRows[]): Promise<readonly CountedRows[]> {
	const counted: CountedRows[] = [];
	for (const {name} of recorded) {
		const found = name === 'large objects' ? {from: 'pg_catalog.pg_largeobject_metadata'} : await find(session, name);
		if (!found) continue;
		const {from, ...table} = found;
		const [[rows] = []] = await session.query(`select pg_catalog.count(*) from ${from}`, {timeout: 0});
		counted.push({name, rows: Number(rows), ...table});
	}
	return counted;
}

/** A name from a manifest is untrusted text: it is only used to look up names that the server quotes. */
async function find(
	session: Session,
	name: string,
): Promise<{readonly from: string; readonly root?: string} | undefined> {
	const root = session.serverVersion < 120_000 ? 'null' : 'pg_catalog.pg_partition_root(c.oid)';
	const [row] = await session.query(
		`select pg_catalog.format('only %I.%I', n.nspname, c.relname),
			case when t.oid is not null then pg_catalog.format('%I.%I', tn.nspname, t.relname) end
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		left join pg_catalog.pg_class t on t.oid = ${root} left join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
		where c.oid = pg_catalog.to_regclass(${literal(name)})`,
	);
	if (!row) return undefined;
	const [from, top] = row;
	return {from: from ?? '', ...(top !== undefined && top !== null && {root: top})};
}

function majorOf(version: string | undefined): number {
	return Math.floor((version === undefined ? 0 : (parseVersion(`x ${version}`) ?? 0)) / 10_000);
}
