/** Prints the outcome of each server, for people and for programs. */
import {display} from '../lib/display.js';
import {formatDuration, plural} from '../lib/format.js';
import {jsonLine} from '../lib/json-line.js';
import {cellWidth} from '../lib/width.js';
import type {ServerOutcome} from './run-servers.js';

/** Returns the lines of the table server × outcome, and one with counts. */
export function serverTable(outcomes: readonly ServerOutcome[]): readonly string[] {
	const rows = [
		['server', 'outcome', 'exit', 'duration', 'error'],
		...outcomes.map(({server, outcome, exitCode, seconds, error}) => [
			display(server),
			outcome,
			exitCode === undefined ? '-' : String(exitCode),
			formatDuration(seconds),
			display(error ?? ''),
		]),
	];
	const failed = outcomes.filter(isFailure).length;
	const later = outcomes.filter(({outcome}) => outcome === 'no time left').length;
	const counts = [
		...(failed > 0 ? [`${failed} not ok`] : later === 0 ? ['all ok'] : []),
		...(later > 0 ? [`${later} left for the next drill`] : []),
	];
	return [...columns(rows), `${plural(outcomes.length, 'server')}: ${counts.join(', ')}`];
}

/** Returns whether this outcome makes the exit status of `--servers`. */
export function isFailure({outcome}: ServerOutcome): boolean {
	return outcome !== 'ok' && outcome !== 'no time left';
}

/** Returns the rows with aligned cells, separated by two spaces. */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => cellWidth(row[column] ?? ''))));
	return rows.map(row =>
		row
			.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - cellWidth(cell)))
			.join('  ')
			.trimEnd(),
	);
}

/** Returns one JSON object per server, one per line. */
export function serverRecords(outcomes: readonly ServerOutcome[]): readonly string[] {
	return outcomes.map(({server, outcome, exitCode, seconds, error}) =>
		jsonLine({
			schema: 1,
			type: 'server.finished',
			serverName: server,
			outcome,
			...(exitCode !== undefined && {exitCode}),
			seconds: Math.round(seconds * 1000) / 1000,
			...(error !== undefined && {error}),
		}),
	);
}
