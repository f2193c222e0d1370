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

export type Selection = {
	readonly databases: readonly Database[];
	/** Requested databases that cannot be dumped: each makes the run fail, while the others are dumped. */
	readonly problems: readonly PgBackError[];
	/** The names that the problems are about, in the same order. */
	readonly missing: readonly string[];
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
export function partOf({databases, problems, missing, warnings}: Selection, part: ReadonlySet<string>): Selection {
	const own = missing.map(name => part.has(name));
	return {
		databases: databases.filter(({name}) => part.has(name)),
		problems: problems.filter((_, index) => own[index]),
		missing: missing.filter(name => part.has(name)),
		warnings,
	};
}

function selectNamed(inventory: readonly Database[], names: readonly string[]): Selection {
	const byName = new Map(inventory.map(entry => [entry.name, entry]));
	const databases: Database[] = [];
	const problems: PgBackError[] = [];
	const missing: string[] = [];
	for (const name of names) {
		const entry = byName.get(name);
		if (!entry || !entry.allowsConnections || entry.invalid) missing.push(name);
		if (!entry) {
			problems.push(
				new PgBackError('DATABASE_MISSING', `database "${display(name)}" does not exist`, {
					hint: nearby(name, inventory),
				}),
			);
		} else if (!entry.allowsConnections || entry.invalid) {
			const why = entry.invalid ? 'is invalid (its DROP DATABASE was interrupted)' : 'does not allow connections';
			problems.push(
				new PgBackError('DATABASE_MISSING', `database "${display(name)}" ${why}`, {
					hint: entry.invalid
						? 'drop it: an invalid database cannot be used'
						: 'run ALTER DATABASE … ALLOW_CONNECTIONS true, or exclude it',
				}),
			);
		} else databases.push(entry);
	}
	return {databases, problems, missing, warnings: []};
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

function nearby(name: string, inventory: readonly Database[]): string {
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
	const invalid = open.filter(entry => entry.invalid);
	return {
		databases: open.filter(entry => !entry.invalid),
		problems: [],
		missing: [],
		warnings: invalid.map(
			entry => `database "${display(entry.name)}" is invalid (its DROP DATABASE was interrupted): not dumping it`,
		),
	};
}

/**
 * Sorts the biggest first when several are dumped at once, so that the last one to finish is not the last one started.
 */
export function inDumpOrder(databases: readonly Database[], concurrency: number): readonly Database[] {
	return concurrency > 1 ? databases.toSorted((a, b) => (b.size ?? 0) - (a.size ?? 0)) : databases;
}
