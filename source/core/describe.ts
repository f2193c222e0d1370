/** Describes an event in at most one log line, with the same words for the plain log and the Logs screen. */
import {display} from '../lib/display.js';
import {formatBytes, formatDuration} from '../lib/format.js';
import type {EventError, JobResult, LineLevel, LockInfo, LogLevel, RunEvent} from './events.js';
import {mainFile, mainUploads, placesOf} from './main-file.js';
import {stallText} from './network-text.js';
import type {JobState, RunState} from './run-state.js';

export type DescribedLine = {readonly level: LineLevel; readonly text: string; readonly job?: string};

export function describeEvent(event: RunEvent, state: RunState): readonly DescribedLine[] {
	// The describer for a type accepts the events of that type.
	const describe = describers[event.type] as Describer;
	return describe(event, state);
}

type EventOf<T extends RunEvent['type']> = Extract<RunEvent, {type: T}>;
type Describer<E = RunEvent> = (event: E, state: RunState) => readonly DescribedLine[];

const nothing = () => [];

const describers: {readonly [T in RunEvent['type']]: Describer<EventOf<T>>} = {
	log: ({level, text, job}) => [{level, text, job}],
	'run.started': nothing,
	'run.connected': ({server: {version, inRecovery, host, port, superuser}}) => [
		{
			level: 'info',
			text: `connected to PostgreSQL ${version} ${inRecovery ? 'standby' : 'primary'} at ${host}:${port}`,
		},
		...(superuser
			? []
			: [{level: 'info', text: 'connection user is not superuser, some information will not be dumped'} as const]),
	],
	'run.phase': ({text}) => (text === undefined ? [] : [{level: 'info', text}]),
	'run.planned': nothing,
	'run.totals': nothing,
	'run.finished': ({error}) => (error ? [{level: 'fatal', text: error.message}, ...hintLine(error)] : []),
	progress: nothing,
	'job.queued': nothing,
	'job.started': (event, state) => [{level: startLevel(event, state), text: startText(event, state), job: event.job}],
	'job.command': ({job, command}) => [{level: 'debug', text: `running: ${command}`, job}],
	'job.output': ({job, line}, state) => [outputLine(job, line, levelOf([...outputOf(job, state), line]), state)],
	'job.asked': ({job, question}) =>
		question === undefined
			? []
			: [
					{level: 'info', text: `old ${display(question.name)}: ${question.present}`, job},
					{level: 'info', text: `new ${display(question.name)}: ${question.restored}`, job},
				],
	'job.result': nothing, // logged when the job finishes
	'job.finished': (event, state) => finishLines(event, state),
	'place.started': ({job, place}, state) => [
		{level: 'debug', text: `${nameOf(job, state)}: upload to ${place} started`, job},
	],
	'place.finished': ({job, place, outcome}, state) => [
		{level: 'debug', text: `${nameOf(job, state)}: upload to ${place} ${outcome}`, job},
	],
	'stage.started': ({job, stage}, state) => [{level: 'debug', text: `${nameOf(job, state)}: ${stage} started`, job}],
	'stage.finished': nothing,
	'file.published': ({file: {path, size, encrypted, streamed}, job}) =>
		streamed
			? [] // its upload was logged
			: [{level: 'debug', text: `wrote ${path} (${formatBytes(size)}${encrypted ? ', encrypted' : ''})`, job}],
	// The line that ends the job names the place of the dump: its checksum files are details.
	'file.uploaded': ({job, path, location, key, size, seconds, checked, adopted}) => [
		{
			level: 'debug',
			text: adopted
				? `${key} at ${location} was uploaded by another process of this run (${formatBytes(size)}, ${checked})`
				: `uploaded ${path} to ${location} as ${key} (${formatBytes(size)} in ${formatDuration(seconds)}, ${checked})`,
			job,
		},
	],
	'database.shrunk': ({job, database, measure, before, now, percent}) => [
		{
			level: 'warn',
			text: `the dump of ${database} has lost ${percent} % of its ${measure} (${before} before, ${now} now): none of its dumps is purged`,
			job,
		},
		{level: 'hint', text: 'if that is as it should be, one backup with --alarm-shrink off makes it the new measure'},
	],
	'file.removed': ({path, reason}) => [{level: 'info', text: `removing ${path}: ${reason}`}],
	'file.kept': ({path, reason}) => [{level: 'debug', text: `keeping ${path}: ${reason}`}],
	'network.stalled': ({location, since, reason}) =>
		since === undefined
			? [{level: 'info', text: `${location} responds again`}]
			: [{level: 'warn', text: stallText({location, since, reason})}],
	'lock.waiting': ({job, blockedBy}, state) =>
		blockedBy.map(lock => ({
			level: 'warn',
			text: `${nameOf(job, state)}: waiting for ${lock.mode} on ${lock.table}, held by ${session(lock)}`,
			job,
		})),
	'lock.blocking': ({job, blocking}, state) =>
		blocking.map(lock => ({
			level: 'warn',
			text: `${nameOf(job, state)}: ${session(lock)} has waited ${formatDuration(lock.waiting)} for ${lock.mode} on ${lock.table} behind this dump`,
			job,
		})),
};

function outputLine(job: string, line: string, level: LogLevel, state: RunState): DescribedLine {
	return {level, text: `[${nameOf(job, state)}] ${line}`, job};
}

function outputOf(job: string, state: RunState): readonly string[] {
	return state.jobs.get(job)?.output ?? [];
}

/**
 * Returns the level that a PostgreSQL tool gave its last message in `lines` (`pg_dump: error: …`). Details and hints
 * have the level of their message.
 */
function levelOf(lines: readonly string[]): LogLevel {
	const own = lines.findLast(
		line => !/^(?:[\w./-]+: (?:detail|hint|query was):|DETAIL:|HINT:|CONTEXT:|LINE \d+:|\s)/i.test(line),
	);
	const word = /^[\w./-]+: (error|fatal|warning):/i.exec(own ?? '')?.[1]?.toLowerCase();
	return word === undefined ? 'info' : word === 'warning' ? 'warn' : 'error';
}

/** The number of last output lines to log after a failure, as for a hook. */
const repeatedLines = 20;

/**
 * Returns the last output lines of a failed tool that were not logged as errors. Older tools do not mark their error
 * lines.
 */
function unreportedLines(job: string, state: RunState): readonly DescribedLine[] {
	const lines = outputOf(job, state);
	return lines
		.filter((_, index) => levelOf(lines.slice(0, index + 1)) !== 'error')
		.slice(-repeatedLines)
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

/** One line for each dump, when it ends; beginnings are details, unless something is repeated or takes its time without a result. */
function startLevel({job: id, attempt}: EventOf<'job.started'>, state: RunState): LogLevel {
	return attempt > 1 || state.jobs.get(id)?.kind === 'restore' ? 'info' : 'debug';
}

function startText({job: id, attempt, from}: Extract<RunEvent, {type: 'job.started'}>, state: RunState): string {
	const job = state.jobs.get(id);
	if (from === 'upload') return `uploading ${job?.name ?? id} (attempt ${attempt})`;
	const named =
		job?.kind === 'database' || job?.kind === 'decrypt' || job?.kind === 'download' || job?.kind === 'upload';
	const text = startTexts[job?.kind ?? 'database'] ?? 'working on';
	const what = named || job?.kind === 'verify' || job?.kind === 'restore' ? `${text} ${job.name}` : text;
	return attempt > 1 ? `${what} (attempt ${attempt})` : what;
}

function finishLines(event: EventOf<'job.finished'>, state: RunState): DescribedLine[] {
	const job = state.jobs.get(event.job);
	const name = job?.name ?? event.job;
	if (event.outcome === 'done') return [{level: 'info', text: doneText(name, job), job: event.job}];
	const verb = job?.kind === 'database' ? 'dump of ' : '';
	if (event.again)
		return [{level: 'warn', text: `${verb}${name} requeued: ${event.error?.message ?? ''}`, job: event.job}];
	const text = `${verb}${name} ${event.outcome}${event.error ? `: ${event.error.message}` : ''}`;
	return [
		...(event.outcome === 'failed' ? unreportedLines(event.job, state) : []),
		{level: 'error', text, job: event.job},
		...(wasHinted(event, state) ? [] : hintLine(event.error).map(line => ({...line, job: event.job}))),
	];
}

/** Another job that failed for the same reason has given the hint already. */
function wasHinted({job: id, error}: EventOf<'job.finished'>, {jobs}: RunState): boolean {
	for (const job of jobs.values())
		if (job.id !== id && job.status === 'failed' && error?.hint !== undefined && job.error?.hint === error.hint)
			return true;
	return false;
}

function doneText(name: string, job: JobState | undefined): string {
	const result = job?.result;
	if (result?.result === 'gone') return `dump of ${name} skipped: ${result.detail}`;
	if (result?.result === 'skipped') return `${name} skipped: ${result.detail}`;
	if (job && result) return resultText(job, result);
	const [where, ...uploaded] = job ? placesOf(job) : [];
	const verb = job?.kind === 'database' ? 'dump of ' : job?.kind === 'decrypt' ? 'decryption of ' : '';
	return `${verb}${name}${where === undefined ? '' : ` to ${where}`} done${job ? factsOf(job, uploaded) : ''}`;
}

/** ` (12 MiB in 3 s)`, and where it was uploaded to and how that was checked. */
function factsOf(job: JobState, uploaded: readonly string[]): string {
	const file = mainFile(job);
	const spent =
		job.startedAt === undefined || job.finishedAt === undefined
			? ''
			: ` in ${formatDuration((job.finishedAt - job.startedAt) / 1000)}`;
	const size = file ? `${formatBytes(file.size)}${spent}` : '';
	const uploads = mainUploads(job);
	// Where the local copy is removed, the first place is where the job's result is.
	const [first, others] = uploaded.length < uploads.length ? [uploads[0], uploads.slice(1)] : [undefined, uploads];
	const facts = [size, first?.checked ?? ''].filter(Boolean).join(', ');
	const texts = others.map(({adopted, checked}, index) => {
		const by = adopted ? ' by another process of this run' : '';
		return `${index === 0 ? `uploaded${by} ` : ''}to ${uploaded[index] ?? ''}${checked === '' ? '' : ` (${checked})`}`;
	});
	return [facts === '' ? '' : ` (${facts})`, ...texts].join(', ');
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

function hintLine(error: EventError | undefined): DescribedLine[] {
	return error?.hint === undefined ? [] : [{level: 'hint', text: error.hint}];
}

function session(lock: LockInfo): string {
	const who = [lock.user, lock.application].filter(Boolean).join(', ');
	return `session ${lock.pid}${who ? ` (${who})` : ''}${lock.statement ? `: ${lock.statement}` : ''}`;
}
