import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {formatBytes, plural} from '../lib/format.js';
import {jsonLine} from '../lib/json-line.js';
import {describeTable} from '../repository/dump-tables.js';
import {placeNamed} from '../repository/find-run.js';
import {findTable, type FoundTable} from '../repository/find-table.js';
import {backupLocation} from '../repository/locations.js';
import type {ConfiguredContext, RunResult, SecretContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {type Io, writerTo} from './io.js';

/** Prints a line for each dump that contains the table, newest first; with `--json` an object per line. */
export async function printTables(io: Io, run: ConfiguredContext & SecretContext, pattern: string): Promise<RunResult> {
	const [store, ...others] = run.configuration.arguments;
	if (others.length > 0)
		throw new PgBackError('USAGE', `--find-table takes one place, not ${plural(others.length + 1, 'argument')}`);
	const id = store === undefined ? backupLocation : placeNamed(run, store.replace(/^@/, ''));
	const write = writerTo(io);
	const line = run.configuration.settings.json ? jsonOf : textOf;
	try {
		for await (const found of findTable(run, pattern, id)) await write(`${line(found)}\n`);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error; // the reader has closed the pipe
	}
	return resultOf([], run.signal);
}

function textOf({run, dump, table}: FoundTable): string {
	const rows = table.rows === undefined ? 'rows not recorded' : plural(table.rows, 'row');
	const size = table.bytes === undefined ? '' : `, ${formatBytes(table.bytes)}`;
	const time = new Date(dump.parsed.time).toISOString().replace('.000Z', 'Z');
	return `${time}  ${display(dump.database)}  ${describeTable(table)}  ${rows}${size}  ${display(dump.path)}  run ${display(run.id)}`;
}

function jsonOf({place, run, dump, table}: FoundTable): string {
	return jsonLine({
		place,
		run: run.id,
		time: new Date(dump.parsed.time).toISOString(),
		database: dump.database,
		...(table.schema !== undefined && {schema: table.schema}),
		table: table.name,
		...(table.rows !== undefined && {rows: table.rows}),
		...(table.bytes !== undefined && {bytes: table.bytes}),
		path: dump.path,
		encrypted: dump.encrypted,
	});
}
