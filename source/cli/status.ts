/** `--status`: prints the active run in the backup directory once, for scripts. */
import type {Configuration} from '../config/configuration.js';
import {toPgBackError} from '../core/errors.js';
import {jobBytes} from '../core/jobs.js';
import {stallText} from '../core/network-text.js';
import {runProgressTexts} from '../core/run-progress.js';
import type {RunState} from '../core/run-state.js';
import {takeSnapshot} from '../core/snapshot.js';
import {countWork, workOf, workWord} from '../core/work-counts.js';
import {display} from '../lib/display.js';
import {formatBytes, formatDuration} from '../lib/format.js';
import {jsonLine} from '../lib/json-line.js';
import {findBackupRuns} from '../repository/runs-elsewhere.js';
import type {FoundRun} from '../runs/find-runs.js';
import {errorText} from './fail.js';
import {type Io, writerTo} from './io.js';

/** Exit statuses: a run is active, none is, unknown. */
const statuses = {underWay: 0, none: 1, unknown: 3} as const;

export async function printStatus(io: Io, configuration: Configuration): Promise<number> {
	const {json, logFormat, backupDirectory} = configuration.settings;
	const write = writerTo(io);
	try {
		const {runs, orphans} = await findBackupRuns({configuration, env: io.env});
		for (const {connection} of runs) connection?.close();
		if (json || logFormat === 'json') {
			const about = runs.map(({connection, ...run}) => ({
				...run,
				...(connection && {counts: countWork(connection.state()), state: takeSnapshot(connection.state())}),
			}));
			await write(`${jsonLine({schema: 1, running: runs.length > 0, runs: about, orphans})}\n`);
		} else {
			const lines = runs.flatMap(run => runLines(run, Date.now()));
			const none = runs.length === 0 ? [`no run is under way in ${display(backupDirectory)}`] : [];
			await write([...lines, ...none, ...orphans.map(text => display(text))].map(line => `${line}\n`).join(''));
		}
		return runs.length > 0 ? statuses.underWay : statuses.none;
	} catch (error) {
		io.stderr.write(errorText(toPgBackError(error)));
		return statuses.unknown;
	}
}

function runLines({command, pid, host, since, connection}: FoundRun, now: number): readonly string[] {
	const age = since === undefined ? NaN : (now - Date.parse(since)) / 1000;
	const head = [
		`${command ?? 'a run'} is under way`,
		pid === undefined ? '' : `process ${pid}${host === undefined ? '' : ` on ${host}`}`,
		since === undefined ? '' : `since ${since}${age >= 0 ? ` (${formatDuration(age)})` : ''}`,
	];
	const first = display(head.filter(text => text !== '').join(', '));
	return connection ? [first, ...stateLines(connection.state())] : [`${first}; nothing more is known of it`];
}

function stateLines(state: RunState): readonly string[] {
	const lines = [`  ${runProgressTexts(state).join(', ')}`];
	if (state.network) lines.push(display(`  ${stallText(state.network)}`));
	for (const job of state.jobs.values()) {
		const work = workOf(job);
		if (work === 'done' || work === 'skipped' || work === 'waiting') continue;
		const fraction = job.progress?.fraction;
		const percent =
			fraction === undefined ? '' : `, ${job.progress?.estimated ? '~' : ''}${Math.floor(fraction * 100)} %`;
		const reason = job.error === undefined ? '' : `: ${job.error.message}`;
		lines.push(display(`  ${job.name}: ${workWord(work)}${percent}, ${formatBytes(jobBytes(job))}${reason}`));
	}
	return lines;
}
