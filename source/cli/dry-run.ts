/** `--dry-run`: prints the plan of a backup on stdout, for people or (`--json`) for programs. */
import {planWithoutRunning} from '../backup/dry-run.js';
import {type BackupPlan, errorOf, type PlacePurge, type PlannedOutput} from '../backup/plan.js';
import {placeItems, planText, purgeText} from '../backup/plan-object.js';
import {planPurgeOf} from '../backup/run-purge.js';
import type {Configuration} from '../config/configuration.js';
import {display} from '../lib/display.js';
import {formatBytes, plural} from '../lib/format.js';
import {cellWidth} from '../lib/width.js';
import {formatVersion} from '../postgres/versions.js';
import type {LocationId} from '../repository/locations.js';
import type {PlannedItem} from '../retention/purge-plan.js';
import type {RunContext, RunResult, SecretContext, ServerContext, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {type Io, writerTo} from './io.js';

/** Writes, runs and removes nothing. Returns the status that the run would have. */
export async function dryRun(io: Io, run: ServerContext & SecretContext): Promise<RunResult> {
	const plan = await planWithoutRunning(run);
	if (run.configuration.settings.json) await printText(io, planText(plan));
	else await printLines(io, planLines(plan, run.configuration));
	return resultOf(plan.problems.map(errorOf), run.signal);
}

/** `--purge --dry-run`: prints the plan of one place's purge. */
export async function printPurge(io: Io, run: StoreContext, where: LocationId): Promise<RunResult> {
	const {purge, errors, skipped} = await planPurgeOf(run, where);
	if (run.configuration.settings.json) await printText(io, purgeText(purge));
	else await printLines(io, joined(skipped, purgeLines(purge)));
	return resultOf(errors, run.signal);
}

function* joined(...parts: readonly Iterable<string>[]): Generator<string> {
	for (const part of parts) yield* part;
}

async function printLines(io: Io, lines: Iterable<string>): Promise<void> {
	await print(io, lines, line => `${display(line)}\n`);
}

async function printText(io: Io, pieces: Iterable<string>): Promise<void> {
	await print(io, joined(pieces, ['\n']), piece => piece);
}

/** Writes as fast as the reader reads, because there may be a million pieces; a closed pipe ends the output. */
async function print(io: Io, pieces: Iterable<string>, textOf: (piece: string) => string): Promise<void> {
	const write = writerTo(io);
	let pending = '';
	try {
		for (const piece of pieces) {
			pending += textOf(piece);
			if (pending.length < 16_384) continue;
			await write(pending);
			pending = '';
		}
		if (pending !== '') await write(pending);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
	}
}

function* planLines(plan: BackupPlan, configuration: Configuration): Generator<string> {
	const {server, tools, outputs} = plan;
	const {settings} = configuration;
	const role = server.inRecovery ? 'standby' : 'primary';
	yield 'dry run: nothing is written, executed or removed';
	yield `server     PostgreSQL ${server.version} ${role} at ${display(server.host)}:${server.port} as ${display(server.user)}`;
	yield `pg_dump    ${formatVersion(tools.pgDump.version)} ${tools.pgDump.path}`;
	if (tools.pgDumpall) yield `pg_dumpall ${formatVersion(tools.pgDumpall.version)} ${tools.pgDumpall.path}`;
	yield `jobs       ${settings.jobs} at once`;
	yield `checksum   ${settings.checksumAlgorithm}`;
	yield `encryption ${settings.encrypt ? 'age' : 'none'}`;
	const uploads = settings.upload.length > 0;
	yield `upload     ${settings.upload.join(', ') || 'none'}${uploads ? localText(settings) : ''}`;
	if (uploads && !settings.purgeRemote) yield 'purge      of the backup directory only';
	for (const text of plan.warnings) yield `warning    ${display(text)}`;
	for (const {message, hint} of plan.problems) {
		yield `error      ${display(message)}`;
		if (hint !== undefined) yield `hint       ${display(hint)}`;
	}
	yield '';
	const written = outputs.filter(output => output.skipped === undefined);
	const total = outputs.reduce((sum, output) => sum + (output.bytes ?? 0), 0);
	yield `to write, ${plural(written.length, 'output')} (databases of ${formatBytes(total)} together):`;
	yield* table(written.flatMap(outputRows));
	for (const {name, skipped} of outputs)
		if (skipped !== undefined) yield `  ${name} is not written: ${display(skipped)}`;
	for (const place of plan.purge) {
		yield '';
		yield* purgeLines(place);
	}
}

/** Returns what becomes of the local files. */
function localText({localCopy, deleteUploaded, spoolLimit}: RunContext['configuration']['settings']): string {
	const spooled = spoolLimit > 0 ? `directory dumps with at most ${formatBytes(spoolLimit)} here` : '';
	if (!localCopy) return `, without a local copy${spooled === '' ? '' : `; ${spooled}`}`;
	if (spooled !== '') return `${deleteUploaded ? ', then removed here' : ''}; ${spooled}`;
	return deleteUploaded ? ', then removed here' : '';
}

function outputRows({name, format, compression, bytes, files}: PlannedOutput): string[][] {
	const size = bytes === undefined ? '' : formatBytes(bytes);
	const about = [display(name), format ?? '', size, compression === undefined ? '' : `-Z ${compression}`];
	return files.map(({path, key, streamed}, index) => [
		...(index === 0 ? about : about.map(() => '')),
		key === undefined ? display(path) : streamed ? `-> ${display(key)}` : `${display(path)} -> ${display(key)}`,
	]);
}

/**
 * Yields removed and kept files, one line each, so that grep finds the decision for any file. Files that the run will
 * write are not included.
 */
function* purgeLines(place: PlacePurge): Generator<string> {
	for (const [action, heading] of [
		['remove', 'to remove from'],
		['keep', 'to keep in'],
	] as const) {
		let count = 0;
		for (const _ of placeItems(place, action)) count++;
		yield `${heading} ${display(place.location)}, ${plural(count, 'file')}:`;
		for (const item of placeItems(place, action)) yield itemLine(item);
	}
}

function itemLine({path, reason}: PlannedItem): string {
	return `  ${display(path)}  ${display(reason)}`;
}

function* table(rows: readonly (readonly string[])[]): Generator<string> {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => cellWidth(row[column] ?? ''))));
	for (const row of rows) {
		const cells = row.map((text, column) => text + ' '.repeat((widths[column] ?? 0) - cellWidth(text)));
		yield `  ${cells.join('  ')}`.trimEnd();
	}
}
