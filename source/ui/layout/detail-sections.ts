/** Formats the details of a job, errors first. */
import type {LockInfo, StageName} from '../../core/events.js';
import {isSkipped} from '../../core/jobs.js';
import type {JobState} from '../../core/run-state.js';
import {formatBytes, formatCount} from '../../lib/format.js';
import {fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {clean} from '../glyphs.js';
import {type Line, span} from '../text.js';
import {bar, percent} from './bar.js';
import {shortDuration} from './job-row.js';
import {formatTime} from './log-lines.js';
import {stageMark, stageWord} from './stages.js';
import {wrapCells, wrapWords} from './wrap.js';

export type Section = {readonly title: string; readonly lines: readonly Line[]};

type Context = Pick<Frame, 'run' | 'columns' | 'glyphs' | 'now'>;

export function detailSections(job: JobState, context: Context): readonly Section[] {
	return [
		{title: job.status === 'cancelled' ? 'Why it ended' : 'What went wrong', lines: errorLines(job, context)},
		{title: 'Result', lines: resultLines(job, context)},
		{title: 'Locks', lines: lockLines(job, context)},
		{title: 'Waits for', lines: waitLines(job, context)},
		{title: 'Stages', lines: stageLines(job, context)},
		{title: tablesTitle(job), lines: tableLines(job, context)},
		{title: 'Files', lines: fileLines(job, context)},
		{title: 'Output', lines: job.output.slice(-12).flatMap(line => wrapped(line, context))},
		{title: 'Command', lines: job.command === undefined ? [] : wrapped(job.command, context)},
	];
}

function wrapped(text: string, {columns, glyphs}: Context): Line[] {
	return wrapCells(clean(text, glyphs), Math.max(10, columns - 4)).map(piece => [span(`   ${piece}`)]);
}

function errorLines(job: JobState, {columns, glyphs}: Context): readonly Line[] {
	if (job.error === undefined) return [];
	const {message, hint, output = []} = job.error;
	const tone = job.status === 'cancelled' ? 'warn' : 'failed';
	const said = job.output.length > 0 ? [] : output;
	return [
		...wrapWords(clean(message, glyphs), columns - 4).map((text): Line => [span(`   ${text}`, tone)]),
		...(hint === undefined
			? []
			: wrapWords(`hint: ${clean(hint, glyphs)}`, columns - 4).map((text): Line => [span(`   ${text}`, 'warn')])),
		...said.map((line): Line => [span(`   ${clean(line, glyphs)}`)]),
	];
}

/** The header shows why nothing was created. */
function resultLines(job: JobState, {columns, glyphs}: Context): readonly Line[] {
	if (job.status !== 'done' || job.result === undefined || isSkipped(job)) return [];
	return wrapWords(clean(job.result.detail, glyphs), columns - 4).map((text): Line => [span(`   ${text}`)]);
}

function lockLines(job: JobState, {columns, glyphs}: Context): readonly Line[] {
	const {blockedBy = [], blocking = []} = job.progress ?? {};
	if (job.status !== 'running') return [];
	const say = (text: string): Line[] =>
		wrapWords(clean(text, glyphs), columns - 4).map((piece, index): Line => [
			span(`   ${index > 0 ? '  ' : ''}${piece}`, 'warn'),
		]);
	const who = (lock: LockInfo) =>
		`session ${lock.pid}${lock.user === undefined ? '' : ` (${[lock.user, lock.application].filter(Boolean).join(', ')})`}`;
	return [
		...blockedBy.flatMap(lock =>
			say(
				`waits ${shortDuration(lock.waiting)} for ${lock.mode} on ${lock.table}, held by ${who(lock)}${lock.statement === undefined ? '' : `: ${lock.statement}`}`,
			),
		),
		...blocking.flatMap(lock =>
			say(
				`${who(lock)} has waited ${shortDuration(lock.waiting)} for ${lock.mode} on ${lock.table} behind this dump${lock.statement === undefined ? '' : `: ${lock.statement}`}`,
			),
		),
	];
}

/** Describes what the server process of the dump waits for, in words if the server's name is not clear. */
function waitLines(job: JobState, {glyphs}: Context): readonly Line[] {
	const {blockedBy = [], waitEvent} = job.progress ?? {};
	if (job.status !== 'running' || waitEvent === undefined || blockedBy.length > 0) return [];
	const words = waitWords[waitEvent];
	return [[span(`   ${words === undefined ? '' : `${words} `}(${clean(waitEvent, glyphs)})`, 'quiet')]];
}

const waitWords: Readonly<Record<string, string>> = {
	'Client:ClientWrite': 'pg_dump, which reads more slowly than the server sends',
	'Client:ClientRead': 'the next statement of pg_dump',
	'IO:DataFileRead': 'its disk',
};

function stageLines(job: JobState, {run, glyphs, now, columns}: Context): readonly Line[] {
	const lines = job.stages.flatMap((stage): readonly {stage: StageName; place?: string}[] =>
		stage === 'upload' && job.places ? job.places.map(place => ({stage, place})) : [{stage}],
	);
	return lines.map(({stage, place}): Line => {
		const status = place === undefined ? job.stage[stage] : job.uploadTo?.[place];
		const mark = stageMark(job, stage, place);
		const word = place ?? stageWord(stage, run.destinations);
		const tone = mark === 'running' ? 'running' : mark === 'done' ? 'done' : mark === 'failed' ? 'failed' : 'quiet';
		const spent =
			status?.startedAt === undefined ? '' : shortDuration(((status.finishedAt ?? now) - status.startedAt) / 1000);
		const {progress} = status ?? {};
		const bytes =
			progress === undefined || progress.bytesIn + progress.bytesOut === 0
				? ''
				: progress.bytesIn === progress.bytesOut
					? formatBytes(progress.bytesOut)
					: `${formatBytes(progress.bytesIn)} ${glyphs.arrow} ${formatBytes(progress.bytesOut)}`;
		const from = status?.startedAt === undefined ? '' : formatTime(status.startedAt);
		const line = [
			span(`   ${glyphs[mark]} ${mark.padEnd(8)}`, tone),
			span(` ${fit(word === 'up' || stage !== 'upload' ? stage : `upload (${word})`, 14)}`),
			span(` ${columns < 80 ? '' : from.padEnd(9)}${spent.padStart(7)}`, 'quiet'),
		];
		return columns < 60 ? line : [...line, span(`   ${bytes}`)];
	});
}

const maxTables = 400;

function tablesTitle(job: JobState): string {
	const {tablesDone, tablesTotal} = job.progress ?? {};
	if (tablesTotal === undefined) return 'Tables';
	return `Tables: ${formatCount(tablesDone ?? 0)} of ${formatCount(tablesTotal)} done`;
}

function tableLines(job: JobState, {columns, glyphs}: Context): readonly Line[] {
	const tables = (job.progress?.tables ?? []).toSorted((a, b) => b.bytes - a.bytes).slice(0, maxTables);
	if (job.status !== 'running') return [];
	const activity = job.progress?.activity;
	if (tables.length === 0 && activity !== undefined) return [[span(`   ${clean(activity, glyphs)}`, 'quiet')]];
	const barWidth = columns >= 90 ? 16 : 0;
	const name = Math.max(12, Math.min(40, columns - 34 - (barWidth > 0 ? barWidth + 8 : 6)));
	return tables.map((table): Line => {
		const rows = columns < 60 ? '' : `${formatCount(table.rows)} rows`.padStart(20);
		const start = [
			span(`   ${fit(clean(table.name, glyphs), name, {cut: 'middle', mark: glyphs.cut})}`),
			span(` ${formatBytes(table.bytes).padStart(9)}${rows}`, 'quiet'),
		];
		if (table.fraction === undefined) return start;
		const share = ` ${percent(table.fraction, table.estimated).padStart(5)}`;
		return barWidth === 0
			? [...start, span(share)]
			: [...start, span('  '), ...bar(table.fraction, barWidth, glyphs), span(share)];
	});
}

function fileLines(job: JobState, {columns, glyphs}: Context): readonly Line[] {
	const files = job.files.flatMap((file): Line[] => {
		const size = `${formatBytes(file.size)}${file.streamed ? ', only at the remote' : file.removed ? ', removed after its upload' : ''}`;
		const path = wrapCells(clean(file.path, glyphs), Math.max(10, columns - 4 - size.length - 2));
		const sums: readonly (readonly [string, string | undefined])[] = [
			[file.encrypted ? 'sha256 encrypted' : 'sha256', file.sha256],
			['sha256 plain', file.encrypted ? file.plainSha256 : file.sha256 === undefined ? file.plainSha256 : undefined],
		];
		return [
			...path.map((piece, index): Line => [span(`   ${piece}`), ...(index === 0 ? [span(`  ${size}`, 'quiet')] : [])]),
			...sums.flatMap(([label, sum]) =>
				sum === undefined
					? []
					: wrapCells(`${label} ${sum}`, Math.max(10, columns - 6)).map((piece): Line => [
							span(`     ${piece}`, 'quiet'),
						]),
			),
		];
	});
	const uploads = job.uploads.flatMap(({location, key, checked}): Line[] =>
		wrapWords(clean(`${location}: ${key} (${checked})`, glyphs), Math.max(10, columns - 7)).map(
			(piece, index): Line => [span(index === 0 ? `   ${glyphs.arrow} ${piece}` : `     ${piece}`, 'done')],
		),
	);
	return [...files, ...uploads];
}
