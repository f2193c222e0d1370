/** What an event says in one log line (or none): the same words in the plain log and on the Logs screen. */
import {formatBytes, formatDuration} from '../lib/format.js';
import type {EventError, JobResult, LockInfo, LogLevel, RunEvent} from './events.js';
import {mainFile, placesOf} from './main-file.js';
import type {JobState, RunState} from './state.js';

export type DescribedLine = {readonly level: LogLevel; readonly text: string; readonly job?: string};

export function describeEvent(event: RunEvent, state: RunState): readonly DescribedLine[] {
	switch (event.type) {
		case 'log':
			return [{level: event.level, text: event.text, job: event.job}];
		case 'run.connected': {
			const {version, inRecovery, host, port, superuser} = event.server;
			const lines: DescribedLine[] = [
				{
					level: 'info',
					text: `connected to PostgreSQL ${version} ${inRecovery ? 'standby' : 'primary'} at ${host}:${port}`,
				},
			];
			if (!superuser) {
				lines.push({level: 'info', text: 'connection user is not superuser, some information will not be dumped'});
			}
			return lines;
		}
		case 'run.phase':
			return event.text === undefined ? [] : [{level: 'info', text: event.text}];
		case 'job.started':
			return [{level: 'info', text: startText(event.job, event.attempt, state), job: event.job}];
		case 'job.command':
			return [{level: 'debug', text: `running: ${event.command}`, job: event.job}];
		case 'job.output':
			return [outputLine(event.job, event.line, levelOf([...outputOf(event.job, state), event.line]), state)];
		case 'job.finished':
			return finishLines(event, state);
		case 'stage.started':
			return [{level: 'debug', text: `${nameOf(event.job, state)}: ${event.stage} started`, job: event.job}];
		case 'file.published': {
			const {path, size, encrypted} = event.file;
			return [
				{level: 'debug', text: `wrote ${path} (${formatBytes(size)}${encrypted ? ', encrypted' : ''})`, job: event.job},
			];
		}
		case 'file.uploaded':
			return [
				{
					level: 'info',
					text: `uploaded ${event.path} to ${event.location} as ${event.key} (${formatBytes(event.size)} in ${formatDuration(event.seconds)}, ${event.checked})`,
					job: event.job,
				},
			];
		case 'file.removed':
			return [{level: 'info', text: `removing ${event.path}: ${event.reason}`}];
		case 'file.kept':
			return [{level: 'debug', text: `keeping ${event.path}: ${event.reason}`}];
		case 'lock.waiting':
			return event.blockedBy.map(lock => ({
				level: 'warn',
				text: `${nameOf(event.job, state)}: waits for ${lock.mode} on ${lock.table}, held by ${session(lock)}`,
				job: event.job,
			}));
		case 'lock.blocking':
			return event.blocking.map(lock => ({
				level: 'warn',
				text: `${nameOf(event.job, state)}: ${session(lock)} has waited ${formatDuration(lock.waiting)} for ${lock.mode} on ${lock.table} behind this dump`,
				job: event.job,
			}));
		case 'job.result': // said when the job finishes
		case 'run.started':
		case 'run.planned':
		case 'run.totals':
		case 'stage.finished':
		case 'progress':
			return [];
		case 'run.finished':
			return event.error ? [{level: 'fatal', text: event.error.message}, ...hintLine(event.error, 'fatal')] : [];
	}
}

function outputLine(job: string, line: string, level: LogLevel, state: RunState): DescribedLine {
	return {level, text: `[${nameOf(job, state)}] ${line}`, job};
}

function outputOf(job: string, state: RunState): readonly string[] {
	return state.jobs.get(job)?.output ?? [];
}

/** What a tool of PostgreSQL says of itself, in the last of `lines`: `pg_dump: error: …`. Details and hints are of the same level. */
function levelOf(lines: readonly string[]): LogLevel {
	const own = lines.findLast(
		line => !/^(?:[\w./-]+: (?:detail|hint|query was):|DETAIL:|HINT:|CONTEXT:|LINE \d+:|\s)/i.test(line),
	);
	const word = /^[\w./-]+: (error|fatal|warning):/i.exec(own ?? '')?.[1]?.toLowerCase();
	return word === undefined ? 'info' : word === 'warning' ? 'warn' : 'error';
}

/** How many of the last lines, as of a hook. */
const toldAgain = 20;

/** A tool that failed may not have said so in its lines (older ones never do): what was not shown as an error is shown now. */
function unheardLines(job: string, state: RunState): readonly DescribedLine[] {
	const lines = outputOf(job, state);
	return lines
		.filter((_, index) => levelOf(lines.slice(0, index + 1)) !== 'error')
		.slice(-toldAgain)
		.map(line => outputLine(job, line, 'error', state));
}

function nameOf(job: string, state: RunState): string {
	return state.jobs.get(job)?.name ?? job;
}

const startTexts: Readonly<Record<string, string>> = {
	database: 'dumping database',
	globals: 'dumping globals',
	settings: 'dumping instance configuration',
	hba: 'dumping host-based authentication rules',
	ident: 'dumping user name maps',
	decrypt: 'decrypting',
	download: 'downloading',
	upload: 'uploading',
	verify: 'verifying',
	restore: 'restoring',
};

function startText(id: string, attempt: number, state: RunState): string {
	const job = state.jobs.get(id);
	const named =
		job?.kind === 'database' || job?.kind === 'decrypt' || job?.kind === 'download' || job?.kind === 'upload';
	const text = startTexts[job?.kind ?? 'database'] ?? 'working on';
	const what = named || job?.kind === 'verify' || job?.kind === 'restore' ? `${text} ${job.name}` : text;
	return attempt > 1 ? `${what} (attempt ${attempt})` : what;
}

function finishLines(event: Extract<RunEvent, {type: 'job.finished'}>, state: RunState): DescribedLine[] {
	const job = state.jobs.get(event.job);
	const name = job?.name ?? event.job;
	if (event.outcome === 'done') {
		const result = job?.result;
		if (result?.result === 'gone')
			return [{level: 'info', text: `dump of ${name} skipped: ${result.detail}`, job: event.job}];
		if (result?.result === 'skipped')
			return [{level: 'info', text: `${name} skipped: ${result.detail}`, job: event.job}];
		if (job && result) return [{level: 'info', text: resultText(job, result), job: event.job}];
		const where = job && mainFile(job) ? ` to ${placesOf(job)[0]}` : '';
		const verb = job?.kind === 'database' ? 'dump of ' : job?.kind === 'decrypt' ? 'decryption of ' : '';
		return [{level: 'info', text: `${verb}${name}${where} done`, job: event.job}];
	}
	const verb = job?.kind === 'database' ? 'dump of ' : '';
	if (event.again)
		return [{level: 'warn', text: `${verb}${name} put off: ${event.error?.message ?? ''}`, job: event.job}];
	const text = `${verb}${name} ${event.outcome}${event.error ? `: ${event.error.message}` : ''}`;
	return [
		...(event.outcome === 'failed' ? unheardLines(event.job, state) : []),
		{level: 'error', text, job: event.job},
		...hintLine(event.error, 'error').map(line => ({...line, job: event.job})),
	];
}

function resultText(job: JobState, {result, detail}: JobResult): string {
	if (result === 'fetched') {
		const [file] = job.files.filter(one => one.encrypted);
		const plain = mainFile(job);
		const opened = file && plain && plain !== file ? ` and ${plain.path}` : '';
		return `downloaded ${job.name} to ${(file ?? plain)?.path ?? ''}${opened} (${detail})`;
	}
	return `${job.name}: ${job.kind === 'restore' ? 'restored ' : ''}${detail}`;
}

function hintLine(error: EventError | undefined, level: LogLevel): DescribedLine[] {
	return error?.hint === undefined ? [] : [{level, text: `hint: ${error.hint}`}];
}

function session(lock: LockInfo): string {
	const who = [lock.user, lock.application].filter(Boolean).join(', ');
	return `session ${lock.pid}${who ? ` (${who})` : ''}${lock.statement ? `: ${lock.statement}` : ''}`;
}
