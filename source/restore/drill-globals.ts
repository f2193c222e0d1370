/**
 * Restores the globals of a drill. In a scratch server all of them; in a given one only those that create missing
 * roles: nothing existing is altered, and created roles are dropped again.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {literal} from '../postgres/quote.js';
import type {ScratchServer} from '../postgres/scratch-server.js';
import {readInventory} from '../postgres/target-inventory.js';
import type {DumpItem} from '../repository/dump-items.js';
import type {JobControl} from '../runs/scheduler.js';
import {runPsqlScript} from '../stages/psql-script.js';
import type {ScannerRules} from '../stages/scanner-rules.js';
import {roleMark} from './drill-databases.js';
import type {DrillShared} from './drill-shared.js';
import {dumpBytes} from './dump-bytes.js';
import {sessionOptions} from './load.js';
import {textOf} from './prepare-dumps.js';
import {type GlobalRole, parseGlobals, planRoles, roleStatements} from './roles.js';
import {inTransaction} from './settings-and-rename.js';

/**
 * The target includes the new roles and tablespaces afterwards. Throws CORRUPT for anything that pg_dumpall does not
 * write.
 */
export async function restoreGlobals(shared: DrillShared, item: DumpItem, control: JobControl): Promise<void> {
	const {target} = shared;
	const count = (bytes: number) => control.meter.count('download', bytes);
	const bytes = dumpBytes(shared.source, item.path, control.signal, count);
	if (target.scratch) await executeGlobals(shared, {item, bytes, scratch: target.scratch}, control);
	else await createMissingRoles(shared, item, await textOf(bytes));
	shared.target = {...target, inventory: await readInventory(target.session)};
}

async function executeGlobals(
	{run, target}: DrillShared,
	{
		item,
		bytes,
		scratch,
	}: {
		readonly item: DumpItem;
		readonly bytes: AsyncIterable<Uint8Array>;
		readonly scratch: ScratchServer;
	},
	{id, signal}: JobControl,
): Promise<void> {
	const {psql, account, inventory} = target;
	const connection = target.connection.forDatabase(target.maintenance);
	const errors = await runPsqlScript({
		...{psql, signal, account, source: bytes},
		connection: {
			...connection,
			env: {...connection.env, PGOPTIONS: sessionOptions(connection.env['PGOPTIONS'], inventory)},
		},
		rules: ownServer(item.path, new Set(inventory.roles.keys()), () => scratch.tablespace()),
		onLine(line) {
			// Errors are reported with the failure of the job.
			if (!/(^|: )(ERROR|FATAL|PANIC|error|fatal): /.test(line)) run.emit({type: 'job.output', job: id, line});
		},
	});
	const [first] = errors;
	if (first === undefined) return;
	throw new PgBackError('FAILED', `cannot restore the globals: ${display(first)}`, {
		output: errors,
		hint: 'a restore of this run needs what the server lacks as well',
	});
}

/** Roles of a drill cannot log in, and their settings have no effect. */
async function createMissingRoles({run, target}: DrillShared, {path}: DumpItem, text: string): Promise<void> {
	const {session, inventory, createdRoles} = target;
	const globals = parseGlobals(text);
	const foreign = globals.left.find(subject => !leftOut.test(subject));
	if (foreign !== undefined) {
		throw new PgBackError(
			'CORRUPT',
			`${display(path)}: a statement that pg_dumpall does not write: ${display(foreign)}`,
			{
				hint: 'look at the file before anything of this run is restored',
			},
		);
	}
	const plan = planRoles(globals, inventory.roles, new Set(), 'all');
	const create = plan.create.map((role): GlobalRole => ({
		...role,
		attributes: new Map([...role.attributes, ['LOGIN', false]]),
		options: role.options.filter(option => !option.startsWith('PASSWORD ')),
		comment: roleMark(run.tag),
		settings: [],
	}));
	await inTransaction(session, roleStatements({...plan, create}, inventory.roles, inventory));
	createdRoles.push(...create.map(role => role.name));
}

/** Statements of pg_dumpall about tablespaces, parameters and roles in databases, and its session. */
const leftOut = /^(?:tablespace|parameter|database) |^(?:SECURITY LABEL|COMMENT ON|SELECT pg_catalog)$|^ALTER ROLE$/;

const name = String.raw`("(?:[^"]|"")+"|[^\s";,]+)`;
const createRole = new RegExp(String.raw`^CREATE ROLE ${name}$`);
const alterRole = new RegExp(String.raw`^ALTER ROLE ${name} WITH ([^]*)$`);
const ofDatabase = new RegExp(String.raw`^ALTER ROLE ${name} IN DATABASE `);
const location = / LOCATION '(?:[^']|'')*'$/;

/** `existing` are the roles created by initdb. */
function ownServer(what: string, existing: ReadonlySet<string>, tablespace: () => string): Omit<ScannerRules, 'pin'> {
	const statement = (text: string): string | undefined => {
		const role = createRole.exec(text) ?? alterRole.exec(text);
		if (role && existing.has(nameOf(role[1]))) return undefined;
		// Statements about databases that are not restored yet.
		if (ofDatabase.test(text)) return undefined;
		const found = /^CREATE TABLESPACE /.test(text) ? location.exec(text) : null;
		if (!found) return text;
		return `${text.slice(0, found.index)} LOCATION ${Buffer.from(literal(tablespace())).toString('latin1')}`;
	};
	return {what, statement, dropConnect: true};
}

/**
 * Returns the bootstrap superuser of the dumped server according to its globals, which may have granted memberships.
 */
export function bootstrapRole(globals: string): string {
	const namesIn = (pattern: string) => [...globals.matchAll(new RegExp(pattern, 'gm'))].map(match => nameOf(match[1]));
	const superusers = namesIn(String.raw`^ALTER ROLE ${name} WITH SUPERUSER `);
	const grantor = namesIn(String.raw` GRANTED BY ${name};$`).find(role => superusers.includes(role));
	if (grantor !== undefined) return grantor;
	return superusers.includes('postgres') ? 'postgres' : (superusers[0] ?? 'postgres');
}

/** Decodes a name with one character per byte, the form of the scanner. */
function nameOf(quoted = ''): string {
	const text = Buffer.from(quoted, 'latin1').toString();
	return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}
