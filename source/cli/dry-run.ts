import type {RunContext, RunResult} from '../engine/context.js';
import {planBackup, type BackupPlan} from '../engine/dry-run.js';
import {resultOf} from '../engine/outcome.js';
import {formatVersion} from '../postgres/versions.js';
import {display} from '../lib/display.js';
import {formatBytes, plural} from '../lib/format.js';
import {cellWidth} from '../lib/width.js';
import type {Io} from './io.js';

/** Prints on stdout what a backup would do. Nothing is written, run or removed. */
export async function dryRun(io: Io, run: RunContext): Promise<RunResult> {
	const plan = await planBackup(run);
	io.stdout.write(`${planLines(plan, run).join('\n')}\n`);
	return resultOf(plan.problems, run.signal);
}

function planLines(plan: BackupPlan, run: RunContext): string[] {
	const {server, tools, files, purge} = plan;
	const {settings} = run.configuration;
	const removed = purge.filter(item => item.action === 'remove');
	const kept = purge.filter(item => item.action === 'keep');
	const total = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
	return [
		'dry run: nothing is written, run or removed',
		`server     PostgreSQL ${server.version} ${server.inRecovery ? 'standby' : 'primary'} at ${display(server.host)}:${server.port} as ${display(server.user)}`,
		`pg_dump    ${formatVersion(tools.pgDump.version)} ${tools.pgDump.path}`,
		...(tools.pgDumpall ? [`pg_dumpall ${formatVersion(tools.pgDumpall.version)} ${tools.pgDumpall.path}`] : []),
		`jobs       ${settings.jobs} at once`,
		`checksum   ${settings.checksumAlgorithm}`,
		`encryption ${settings.encrypt ? 'age' : 'none'}`,
		`upload     ${settings.upload}`,
		...plan.warnings.map(text => `warning    ${display(text)}`),
		...plan.problems.map(problem => `error      ${display(problem.message)}`),
		'',
		`to write, ${plural(files.length, 'output')} (databases of ${formatBytes(total)} together):`,
		...table(
			files.map(file => [
				display(file.name),
				file.format ?? '',
				file.size === undefined ? '' : formatBytes(file.size),
				display(file.path),
			]),
		),
		'',
		`to remove after a good dump, ${plural(removed.length, 'file')}:`,
		...table(removed.map(item => [display(item.path), item.reason])),
		`to keep, ${plural(kept.length, 'file')}:`,
		...table(kept.map(item => [display(item.path), item.reason])),
	];
}

function table(rows: readonly (readonly string[])[]): string[] {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => cellWidth(row[column] ?? ''))));
	return rows.map(row =>
		`  ${row.map((text, column) => text + ' '.repeat((widths[column] ?? 0) - cellWidth(text))).join('  ')}`.trimEnd(),
	);
}
