/** Plans a restore from what was read of the dumps and of the target. Pure. */
import {PgBackError} from '../core/errors.js';
import {intoName} from '../core/into-name.js';
import {isSameSet, textToType} from '../lib/confirmation.js';
import {display} from '../lib/display.js';
import {isDatabaseEntry} from '../postgres/database-entry.js';
import type {Inventory} from '../postgres/target-inventory.js';
import type {Tool} from '../postgres/tools.js';
import {formatMajor, supportsStatistics} from '../postgres/versions.js';
import type {ManifestFile} from '../repository/manifest.js';
import {isStatistics} from './archive-facts.js';
import type {ChosenRun} from './choose-run.js';
import {confirmOption} from './command-line.js';
import {bareDefinition} from './database-definition.js';
import {membersRefusal} from './dump-members.js';
import {databaseFindings, roleFindings, serverFindings} from './findings.js';
import {rewrittenSubscriptions} from './newer-dump.js';
import {idsOf} from './only-objects.js';
import type {RestoreOptions} from './restore-options.js';
import {
	type DatabasePlan,
	type Finding,
	hiddenName,
	type PreparedDump,
	previousName,
	replacedBy,
	type RestorePlan,
	type Road,
} from './restore-plan.js';
import {type Globals, planRoles} from './roles.js';
import {directoryFindings, roomFindings, type ServerRoom} from './server-room.js';
import {skipsOf} from './skip.js';

export type PlanInput = {
	readonly options: RestoreOptions;
	readonly inventory: Inventory;
	readonly chosen: ChosenRun;
	/** The entries of manifests, by path. */
	readonly known: ReadonlyMap<string, ManifestFile>;
	readonly prepared: readonly PreparedDump[];
	readonly globals: Globals | undefined;
	/** Differences in settings and access rules between the dumped server and the target. */
	readonly differences: readonly Finding[];
	/** All installed ones, oldest first. */
	readonly restores: readonly Tool[];
	/** Free bytes in the restore directory. */
	readonly room: number;
	/** The disk space of the server's databases. */
	readonly serverRoom: ServerRoom;
	/** The dumps come over a network. */
	readonly network: boolean;
	/** Databases of every server (postgres, template1) that have no user objects. */
	readonly untouched: ReadonlySet<string>;
	readonly location: string;
	readonly label: string;
	/** For people. */
	readonly proven: string;
	/** Six characters. */
	readonly tag: string;
	readonly now: Date;
};

/** Throws USAGE for names that conflict, and for a `--confirm` that does not name what will be replaced. */
export function planRestore(input: PlanInput): RestorePlan {
	const {options, inventory, chosen, prepared, globals} = input;
	const taken = new Set(inventory.databases.keys());
	const databases = prepared.toSorted((a, b) => b.bytes - a.bytes).map(dump => planDatabase(input, dump, taken));
	checkNames(databases, options);
	checkConfirmed(replacedBy({databases}), options);
	const roles = planRoles(globals, inventory.roles, neededRoles(prepared, options), options.roles);
	const findings: readonly Finding[] = [
		...serverFindings(inventory, chosen, options),
		...roleFindings(roles, inventory, options, globals !== undefined),
		...databases.flatMap(plan => [
			...toolFindings(plan),
			...roadFindings(plan),
			...databaseFindings(plan, inventory, options),
		]),
		...roomFindings(databases, input.serverRoom, {known: input.known, data: options.data}),
		...directoryFindings(databases, input.room),
		...input.differences,
	];
	return {
		source: {
			location: input.location,
			runId: chosen.manifest?.runId,
			time: new Date(chosen.time).toISOString(),
			server: chosen.manifest?.server.version ?? prepared[0]?.toc?.serverVersion.split(' ')[0],
			systemIdentifier: chosen.manifest?.server.systemIdentifier,
			proven: input.proven,
		},
		target: {
			label: input.label,
			user: inventory.user,
			superuser: inventory.superuser,
			version: inventory.versionText,
			systemIdentifier: inventory.systemIdentifier,
		},
		roles,
		databases,
		findings,
	};
}

/** Returns the roles that must exist so that every restored object gets its owner and its privileges. */
function neededRoles(prepared: readonly PreparedDump[], options: RestoreOptions): ReadonlySet<string> {
	const names = new Set(options.owner === undefined ? [] : [options.owner]);
	const add = (more: Iterable<string>) => {
		for (const name of more) names.add(name);
	};
	for (const {needs, definition} of prepared) {
		add(needs.named);
		if (options.owner === undefined) add(needs.owners);
		if (options.privileges) add(needs.grantees);
		if (options.only || !definition) continue;
		if (options.owner === undefined && definition.owner !== undefined) add([definition.owner]);
		if (options.privileges) for (const one of definition.privileges) add(one.roles);
		for (const one of definition.settings) add(one.roles);
	}
	return names;
}

/** `taken` receives the name that a replaced database gets: another one may be shortened to the same. */
function planDatabase(input: PlanInput, prepared: PreparedDump, taken: Set<string>): DatabasePlan {
	const {options, inventory, chosen, tag, now} = input;
	const {database} = prepared.dump;
	const target = intoName(options.into ?? '', database, new Date(chosen.time));
	const exists = inventory.databases.has(target);
	const skips = exists && prepared.isEmpty && input.untouched.has(target);
	const mode = options.only ? 'only' : skips ? 'skip' : exists && options.replace ? 'replace' : 'create';
	const jobs = Math.max(1, Math.min(options.jobs, inventory.freeConnections - 2));
	const [road, fileBecause] = roadOf(input, prepared, jobs);
	const isSerial = prepared.format === 'tar' || prepared.format === 'plain' || prepared.bytes < smallDump;
	const previous = mode === 'replace' ? previousName(target, now, taken) : undefined;
	if (previous !== undefined) taken.add(previous);
	return {
		prepared,
		target,
		hidden: hiddenName(target, tag),
		mode,
		previous,
		definition: prepared.definition ?? bareDefinition(database),
		road,
		fileBecause,
		jobs: isSerial ? 1 : jobs,
		pgRestore: prepared.toc ? chooseTool(input.restores, prepared.toc.minor, inventory.version) : undefined,
		...entriesOf(prepared, options, inventory.version),
	};
}

/**
 * Bytes. Over a network, a larger dump is loaded during its download; a smaller one is not worth a second connection.
 */
const largeDump = 64 << 20;
const smallDump = 4 << 20;

/** Returns also why a directory dump must be a file first, if it was not chosen. */
function roadOf(input: PlanInput, prepared: PreparedDump, jobs: number): readonly [Road, string?] {
	const {options, chosen, room} = input;
	const {format, encrypted, bytes} = prepared;
	if (format === 'plain') return ['psql'];
	const isHere = chosen.isLocal && !encrypted;
	if (format === 'directory') return isHere ? ['in place'] : directoryRoad(input, prepared);
	if (options.only || format === 'tar') return [isHere ? 'in place' : 'file'];
	if (options.stream === 'yes') return ['stream'];
	if (isHere) return ['in place'];
	if (options.stream === 'no') return ['file'];
	// Over a network, the data of a large dump is loaded during the download instead of after it.
	const waits = input.network && bytes > largeDump;
	return [jobs === 1 || waits || bytes > room ? 'stream' : 'file'];
}

/** Its members are loaded during the download on request, or where the file has no room. */
function directoryRoad({options, room, known}: PlanInput, prepared: PreparedDump): readonly [Road, string?] {
	const {dump, bytes} = prepared;
	if (options.stream === 'no' || (options.stream === 'auto' && bytes <= room)) return ['file'];
	if (options.only) return ['file', 'some of its objects are restored in one transaction'];
	const isCounted = options.compare === 'rows' || known.get(dump.path)?.plain?.tables === undefined;
	const refusal = membersRefusal(prepared, options.data && options.compare !== 'none' && isCounted);
	return refusal === undefined ? ['members'] : ['file', refusal];
}

function roadFindings({fileBecause, mode, prepared}: DatabasePlan): readonly Finding[] {
	if (fileBecause === undefined || mode === 'skip') return [];
	const {database} = prepared.dump;
	const text = `the dump of ${display(database)} is fetched before it is loaded: ${fileBecause}`;
	return [{severity: 'note', database, text}];
}

/** Returns the first major version of pg_restore that reads this archive version. */
function readsFrom(minor: number): number {
	if (minor >= 16) return 170_000;
	if (minor >= 15) return 160_000;
	return minor >= 14 ? 120_000 : 90_400;
}

/**
 * Chooses the pg_restore of the target's major version, which sends nothing unknown to the target; else the next newer
 * one, else the newest.
 */
export function chooseTool(restores: readonly Tool[], minor: number, server: number): Tool | undefined {
	const able = restores.filter(tool => tool.version >= readsFrom(minor));
	const major = Math.floor(server / 10_000) * 10_000;
	return able.find(tool => tool.version >= major) ?? able.at(-1);
}

function toolFindings({prepared, pgRestore}: DatabasePlan): readonly Finding[] {
	if (!prepared.toc || pgRestore) return [];
	const {minor} = prepared.toc;
	return [
		{
			severity: 'stop',
			code: 'TOOLS',
			database: prepared.dump.database,
			text: `the dump of ${display(prepared.dump.database)} has archive version 1.${minor}: pg_restore ${formatMajor(readsFrom(minor))} or newer is needed`,
			hint: `install postgresql-client-${formatMajor(readsFrom(minor))}, or set its directory with --bin-directory`,
		},
	];
}

/** Returns what to restore. Statistics only if the server can load them; subscriptions in a form that it knows. */
export function entriesOf(
	{toc, closure}: Pick<PreparedDump, 'toc' | 'closure'>,
	{skip}: RestoreOptions,
	server: number,
): Pick<DatabasePlan, 'entries' | 'rewritten'> {
	const statistics = supportsStatistics(server) ? [] : toc?.entries.filter(isStatistics).map(entry => entry.dumpId);
	const skips = skipsOf(skip);
	const chosen = toc?.entries.filter(entry => isDatabaseEntry(entry) || !skips(entry)) ?? [];
	const rewritten = closure ? [] : rewrittenSubscriptions(chosen, {version: server});
	const refused = new Set([...(statistics ?? []), ...rewritten.flatMap(({ids}) => ids)]);
	if (closure) return {entries: idsOf(closure).filter(id => !refused.has(id)), rewritten};
	if (!toc || (skip.length === 0 && refused.size === 0)) return {entries: undefined, rewritten};
	return {entries: chosen.map(entry => entry.dumpId).filter(id => !refused.has(id)), rewritten};
}

function checkNames(databases: readonly DatabasePlan[], {into}: RestoreOptions): void {
	const names = new Map<string, string>();
	for (const {target, prepared} of databases) {
		const {database} = prepared.dump;
		const other = names.get(target);
		if (other !== undefined) {
			throw new PgBackError(
				'USAGE',
				`${display(other)} and ${display(database)} would both become ${display(target)}`,
				{
					hint: "use --into '{dbname}_restored' to give each a different name",
				},
			);
		}
		names.set(target, database);
		if (target === '' || target.includes('\0') || Buffer.byteLength(target) > 63) {
			throw new PgBackError('USAGE', `${display(target) || 'an empty text'} cannot be the name of a database`, {
				hint: into === undefined ? 'choose a name with --into' : 'a name has 1 to 63 bytes',
			});
		}
	}
}

function checkConfirmed(replaced: readonly string[], {confirmed, replace}: RestoreOptions): void {
	if (confirmed === undefined || !replace) return;
	if (isSameSet(confirmed, replaced)) return;
	const [named, all] = [textToType(confirmed), textToType(replaced)];
	throw new PgBackError(
		'USAGE',
		`--confirm names ${named}, but ${replaced.length === 0 ? 'nothing is to be replaced' : `the databases to replace are ${all}`}`,
		{
			hint: `nothing was done; ${replaced.length === 0 ? 'leave it out' : `what confirms them is ${confirmOption(replaced)}`}`,
		},
	);
}
