/** The stages of a job: a glyph, a word and a color each. */
import type {ErrorCode} from '../../core/errors.js';
import {type StageName, stageNames} from '../../core/events.js';
import {isSkipped} from '../../core/jobs.js';
import type {JobState, RunState, StageState} from '../../core/run-state.js';
import type {Glyphs} from '../glyphs.js';
import {type Line, type Span, span, type Tone} from '../text.js';

const words: Readonly<Record<StageName, string>> = {
	dump: 'dump',
	download: 'get',
	decrypt: 'open',
	checksum: 'sha',
	encrypt: 'age',
	upload: 'up',
	verify: 'check',
	restore: 'load',
	create: 'create',
	load: 'load',
	index: 'index',
	analyze: 'analyze',
	rename: 'rename',
};

const remoteWords: Readonly<Record<string, string>> = {
	s3: 's3',
	b2: 'b2',
	gs: 'gcs',
	gcs: 'gcs',
	azure: 'az',
	sftp: 'sftp',
};

/** Returns the stage's word; for the upload that of the remote, if there is only one. */
export function stageWord(stage: StageName, destinations: readonly string[]): string {
	if (stage !== 'upload') return words[stage];
	const schemes = new Set(destinations.map(one => /^([a-z0-9]+):\/\//.exec(one)?.[1]).filter(one => one !== undefined));
	const [only] = schemes;
	return schemes.size === 1 && only !== undefined ? (remoteWords[only] ?? words.upload) : words.upload;
}

/** `stopped`: not the failed stage, but ended by another one. */
export type StageMark = StageState | 'notAsked' | 'cancelled' | 'stopped';

const tones: Readonly<Record<StageMark, Tone>> = {
	waiting: 'quiet',
	running: 'running',
	done: 'done',
	failed: 'failed',
	cancelled: 'warn',
	stopped: 'quiet',
	notAsked: 'quiet',
};

/** `place`: of several places, the one whose upload is meant. */
export function stageMark(job: JobState, stage: StageName, place?: string): StageMark {
	if (isSkipped(job)) return 'notAsked';
	const status = place === undefined || !job.uploadTo ? job.stage[stage] : job.uploadTo[place];
	if (status?.state !== 'failed') return status?.state ?? 'notAsked';
	if (job.status === 'cancelled') return 'cancelled';
	if (place !== undefined && firstFailed(job) === 'upload') return 'failed';
	return firstFailed(job) === stage ? 'failed' : 'stopped';
}

/** The failed stage, if the error code identifies it; when pg_dump fails, later stages may end before it does. */
const culprits: {readonly [C in ErrorCode]?: StageName} = {
	DUMP_FAILED: 'dump',
	DATABASE_GONE: 'dump',
	DATABASE_MISSING: 'dump',
	STORAGE: 'upload',
	WRONG_KEY: 'decrypt',
};

/** All stages run at the same time: when one fails the others end with it, usually a little later. */
function firstFailed(job: JobState): StageName | undefined {
	const failed = job.stages.filter(stage => job.stage[stage]?.state === 'failed');
	const culprit = job.error && culprits[job.error.code];
	if (culprit !== undefined && failed.includes(culprit)) return culprit;
	return failed.toSorted((a, b) => (job.stage[a]?.finishedAt ?? 0) - (job.stage[b]?.finishedAt ?? 0))[0];
}

type StageColumn = {
	readonly stage: StageName;
	/** One of several places that the stage uploads to. */
	readonly place?: string;
	readonly word: string;
};

/** The stages column: the stages that any of `jobs` has, in the order of the bytes; each of several places has its own. */
export type StagePlan = {
	readonly columns: readonly StageColumn[];
	/** Cells, with words and with only glyphs. */
	readonly wide: number;
	readonly narrow: number;
	/** Jobs of several kinds: each shows only its own stages. */
	readonly own: boolean;
};

/** With more stages than this they are not aligned in one grid: dumps and downloads have few in common. */
const gridLimit = 5;

export function planStages(state: RunState): StagePlan {
	const used = new Set<StageName>();
	const places = new Set<string>();
	let most = 1;
	for (const job of state.jobs.values()) {
		for (const stage of job.stages) used.add(stage);
		for (const place of job.places ?? []) places.add(place);
		most = Math.max(most, job.stages.length - 1 + Math.max(1, job.places?.length ?? 0));
	}
	const stages = stageNames.filter(stage => used.has(stage));
	const own = stages.length > gridLimit;
	const columns = stages.flatMap((stage): StageColumn[] => {
		if (stage !== 'upload' || places.size === 0) return [{stage, word: stageWord(stage, state.destinations)}];
		return [...places].map(place => ({stage, place, word: remoteWords[place] ?? place}));
	});
	const texts = columns.map(({word}) => word.length);
	const lengths = own ? texts.toSorted((a, b) => b - a).slice(0, most) : texts;
	const count = own ? most : Math.max(1, columns.length);
	return {columns, wide: lengths.reduce((sum, one) => sum + one + 2, -1), narrow: count, own};
}

/** Returns the stages of one job as `dump● sha✓`, or as `●✓` for narrow terminals. */
export function stageCells(job: JobState, plan: StagePlan, withWords: boolean, glyphs: Glyphs): Line {
	const spans: Span[] = [];
	for (const {stage, place, word} of plan.columns) {
		const mark = stageMark(job, stage, place);
		if (plan.own && mark === 'notAsked') continue;
		if (withWords && spans.length > 0) spans.push(span(' '));
		const quiet = mark === 'waiting' || mark === 'notAsked';
		if (withWords) spans.push(span(word, quiet ? 'quiet' : mark === 'failed' ? 'failed' : undefined));
		spans.push(span(glyphs[mark], tones[mark]));
	}
	return spans;
}
