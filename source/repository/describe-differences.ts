/** Describes the differences between two runs, for people. Pure. */
import {display} from '../lib/display.js';
import {formatBytes, plural} from '../lib/format.js';
import type {ComparedRun, RunComparison} from './diff-runs.js';
import {describeTable} from './dump-tables.js';
import type {DatabaseDifference, TableDifference} from './run-differences.js';

/** Returns a line for each difference: `-` was removed, `+` was added, `~` has changed; the last one is the result. */
export function describeComparison({before, after, databases, notCompared, isEqual}: RunComparison): readonly string[] {
	const runLine = (sign: string, {run, time, place}: ComparedRun) =>
		`${sign} run ${display(run)} of ${new Date(time).toISOString().replace('.000Z', 'Z')} at ${display(place)}`;
	const equal = databases.filter(({change}) => change === 'equal').length;
	return [
		runLine('-', before),
		runLine('+', after),
		...databases.flatMap(databaseLines),
		...(notCompared.length === 0
			? []
			: [`  not compared, because a dump is gone, as after a purge: ${notCompared.map(display).join(', ')}`]),
		isEqual
			? `the runs are equal: ${plural(equal, 'database')}`
			: databases.length === equal
				? `no difference found, but not everything was compared: ${plural(equal, 'database')} equal, ${notCompared.length} not compared`
				: `the runs differ in ${plural(databases.length - equal, 'database')}; ${equal} equal`,
	];
}

const signs = {added: '+', removed: '-', changed: '~', equal: ' '} as const;

function databaseLines({database, change, before, after, tables, objects, notes}: DatabaseDifference): string[] {
	const notesLines = notes.map(note => `    (${display(note)})`);
	if (change === 'equal') return notes.length === 0 ? [] : [`  database ${display(database)}: equal`, ...notesLines];
	const size = change === 'changed' ? figures(before, after, formatBytes) : sizeText(after ?? before);
	return [
		`${signs[change]} database ${display(database)}: ${size}`,
		...tables.map(table => `    ${signs[table.change]} table ${describeTable(table)}: ${tableFigures(table)}`),
		...objects.map(
			({kind, schema, name, change: what}) =>
				`    ${signs[what]} ${kind.toLowerCase()} ${describeTable({schema, name})}${what === 'changed' ? ': another definition' : ''}`,
		),
		...notesLines,
	];
}

function sizeText(bytes: number | undefined): string {
	return bytes === undefined ? '?' : formatBytes(bytes);
}

function tableFigures({change, before, after}: TableDifference): string {
	const rows = (count: number) => plural(count, 'row');
	if (change !== 'changed') {
		const {rows: count, bytes} = before ?? after ?? {};
		const parts = [...(count === undefined ? [] : [rows(count)]), ...(bytes === undefined ? [] : [formatBytes(bytes)])];
		return parts.length === 0 ? change : parts.join(', ');
	}
	return [
		...(before?.rows === undefined && after?.rows === undefined ? [] : [figures(before?.rows, after?.rows, rows)]),
		...(before?.bytes === undefined && after?.bytes === undefined
			? []
			: [figures(before?.bytes, after?.bytes, formatBytes)]),
	].join(', ');
}

/** Returns `1.2 MiB → 0.6 MiB (-50 %)`. */
function figures(before: number | undefined, after: number | undefined, format: (value: number) => string): string {
	const text = (value: number | undefined) => (value === undefined ? '?' : format(value));
	if (before === after) return text(before);
	const change =
		before === undefined || after === undefined || before === 0 ? undefined : ((after - before) / before) * 100;
	const percent =
		change === undefined ? '' : ` (${change > 0 ? '+' : ''}${change.toFixed(Math.abs(change) < 10 ? 1 : 0)} %)`;
	return `${text(before)} → ${text(after)}${percent}`;
}
