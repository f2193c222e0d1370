/** The comparison made by a drill or restore, and the verdict that it justifies. Pure. */
import {plural} from '../lib/format.js';

/** Contains only what was actually compared. */
export type Compared = {
	/** What the dump contains; all of it was restored. */
	readonly held?: Held;
	/** The number of tables with equal rows. */
	readonly tables: number;
	/** The number of tables that were not counted at the time of the dump. */
	readonly uncounted: number;
	/** `names`: the server has another major version, which may print definitions differently. */
	readonly schema: 'definitions' | 'names' | 'none';
};

export type Held = {
	/** Absent: no pg_dump was available to list the objects. */
	readonly objects?: number;
	readonly tables: number;
	readonly rows: number;
};

/** Returns the verdict of a comparison with the dump itself, or also with what was recorded at the time of the dump. */
export function verdictOf({schema, tables}: Pick<Compared, 'schema' | 'tables'>): 'restored' | 'proven' {
	return schema === 'none' && tables === 0 ? 'restored' : 'proven';
}

/**
 * Returns `25 objects and 1,234 rows in 3 tables are as in the dump; the rows of 3 tables and the schema are as
 * recorded`.
 */
export function describeCompared(compared: Compared): string {
	const recorded = describeRecorded(compared);
	return compared.held === undefined ? recorded : `${describeHeld(compared.held)} match the dump; ${recorded}`;
}

function describeHeld({objects, tables, rows}: Held): string {
	if (objects !== undefined && tables === 0) return plural(objects, 'object');
	const inTables = `${plural(rows, 'row')} in ${plural(tables, 'table')}`;
	return objects === undefined ? inTables : `${plural(objects, 'object')} and ${inTables}`;
}

function describeRecorded({tables, uncounted, schema}: Compared): string {
	const parts = [
		...(tables > 0 ? [`the rows of ${plural(tables, 'table')}`] : []),
		...(schema === 'none' ? [] : [schema === 'definitions' ? 'the schema' : 'the names in the schema']),
	];
	if (parts.length === 0) return 'no contents were recorded to compare it with';
	const left = uncounted > 0 ? `; ${plural(uncounted, 'table')} were not counted when it was dumped` : '';
	return `${parts.join(' and ')} ${tables > 0 || schema === 'names' ? 'are' : 'is'} as recorded${left}`;
}
