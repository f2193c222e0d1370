/**
 * Selects the databases that a run dumps, and their order. Pure: a function of the server's list and the configuration.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Database} from '../postgres/catalog.js';

export type DatabaseChoice = {
	/** Named on the command line or by include_dbs; empty: all. */
	readonly include: readonly string[];
	readonly exclude: readonly string[];
	readonly withTemplates: boolean;
};

export type MissingDatabase = {readonly name: string; readonly error: PgBackError};

export type Selection = {
	readonly databases: readonly Database[];
	/** Requested databases that cannot be dumped: each makes the run fail, while the others are dumped. */
	readonly missing: readonly MissingDatabase[];
	readonly warnings: readonly string[];
};

export function selectDatabases(inventory: readonly Database[], choice: DatabaseChoice): Selection {
	const excluded = new Set(choice.exclude);
	return choice.include.length > 0
		? selectNamed(
				inventory,
				[...new Set(choice.include)].filter(name => !excluded.has(name)),
			)
		: selectAll(
				inventory.filter(entry => !excluded.has(entry.name)),
				choice.withTemplates,
			);
}

/** Returns the part of a selection that one shard of a divided run dumps. */
export function partOf({databases, missing, warnings}: Selection, part: ReadonlySet<string>): Selection {
	return {
		databases: databases.filter(({name}) => part.has(name)),
		missing: missing.filter(({name}) => part.has(name)),
		warnings,
	};
}

function selectNamed(inventory: readonly Database[], names: readonly string[]): Selection {
	const byName = new Map(inventory.map(entry => [entry.name, entry]));
	const databases: Database[] = [];
	const missing: MissingDatabase[] = [];
	for (const name of names) {
		const entry = byName.get(name);
		const [problem, hint] = entry ? obstacle(entry) : ['does not exist', suggestionFor(name, inventory)];
		if (problem !== undefined) {
			const error = new PgBackError('DATABASE_MISSING', `database "${display(name)}" ${problem}`, {hint});
			missing.push({name, error});
		} else if (entry) databases.push(entry);
	}
	return {databases, missing, warnings: []};
}

const restoring = 'is of an unfinished restore';
const interrupted = 'is invalid (its DROP DATABASE was interrupted)';

/** Returns why an existing database cannot be dumped, and a hint; nothing when it can. */
function obstacle({allowsConnections, invalid}: Database): readonly [string?, string?] {
	if (invalid) return [interrupted, 'drop it: an invalid database cannot be used'];
	if (allowsConnections) return [];
	return ['does not allow connections', 'run ALTER DATABASE … ALLOW_CONNECTIONS true, or exclude it'];
}

/** Words that are commands in other programs, with the corresponding option. */
const commands: Readonly<Record<string, string>> = {
	help: '--help',
	version: '--version',
	list: '--list-remote',
	download: '--download',
	decrypt: '--decrypt',
	verify: '--verify',
	check: '--check-config',
	restore: '--restore',
	drill: '--restore-drill',
	status: '--status',
	doctor: '--doctor',
};

function suggestionFor(name: string, inventory: readonly Database[]): string {
	const option = Object.hasOwn(commands, name) ? commands[name] : undefined;
	if (option !== undefined)
		return `arguments are names of databases; you may mean pg_back ${option} (see also --restore, --verify, --help)`;
	const same = inventory.find(entry => entry.name.toLowerCase() === name.toLowerCase());
	return same
		? `did you mean "${display(same.name)}"? names are case-sensitive`
		: 'run psql -l to list the databases of the server';
}

function selectAll(inventory: readonly Database[], withTemplates: boolean): Selection {
	const open = inventory.filter(entry => entry.allowsConnections && (withTemplates || !entry.isTemplate));
	const reasonFor = ({invalid, unfinished}: Database) => (invalid ? interrupted : unfinished ? restoring : undefined);
	return {
		databases: open.filter(entry => reasonFor(entry) === undefined),
		missing: [],
		warnings: open.flatMap(entry => {
			const reason = reasonFor(entry);
			return reason === undefined ? [] : [`database "${display(entry.name)}" ${reason}: not dumping it`];
		}),
	};
}

/**
 * Sorts the biggest first when several are dumped at once, so that the last one to finish is not the last one started.
 */
export function inDumpOrder(databases: readonly Database[], concurrency: number): readonly Database[] {
	return concurrency > 1 ? databases.toSorted((a, b) => (b.size ?? 0) - (a.size ?? 0)) : databases;
}
