/** Which databases a run dumps, and in which order. Pure: the server's list and the configuration in, a plan out. */
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
	/** What was asked for and cannot be: each makes the run fail, and the others are dumped. */
	readonly problems: readonly PgBackError[];
	/** The names that the problems are about, in their order. */
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
			const why = entry.invalid ? 'is invalid: its DROP DATABASE was interrupted' : 'does not allow connections';
			problems.push(
				new PgBackError('DATABASE_MISSING', `database "${display(name)}" ${why}`, {
					hint: entry.invalid
						? 'drop it, it cannot be used'
						: 'ALTER DATABASE … ALLOW_CONNECTIONS true, or leave it out',
				}),
			);
		} else databases.push(entry);
	}
	return {databases, problems, missing, warnings: []};
}

function nearby(name: string, inventory: readonly Database[]): string {
	const same = inventory.find(entry => entry.name.toLowerCase() === name.toLowerCase());
	return same
		? `there is "${display(same.name)}": names are case-sensitive`
		: 'psql -l lists the databases of the server';
}

function selectAll(inventory: readonly Database[], withTemplates: boolean): Selection {
	const open = inventory.filter(entry => entry.allowsConnections && (withTemplates || !entry.isTemplate));
	const invalid = open.filter(entry => entry.invalid);
	return {
		databases: open.filter(entry => !entry.invalid),
		problems: [],
		missing: [],
		warnings: invalid.map(
			entry => `database "${display(entry.name)}" is invalid (its DROP DATABASE was interrupted), not dumping it`,
		),
	};
}

/** The biggest first when several are dumped at once, so that the last one to end is not the one that began last. */
export function inDumpOrder(databases: readonly Database[], concurrency: number): readonly Database[] {
	return concurrency > 1 ? databases.toSorted((a, b) => (b.size ?? 0) - (a.size ?? 0)) : databases;
}
