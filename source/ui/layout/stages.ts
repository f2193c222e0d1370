/** The stages of a job: a glyph, a word and a colour each. */
import {stageNames, type StageName} from '../../core/events.js';
import {isSkipped, type JobState, type RunState, type StageState} from '../../core/state.js';
import type {Glyphs} from '../glyphs.js';
import {span, type Line, type Span, type Tone} from '../text.js';

const words: Readonly<Record<StageName, string>> = {
	dump: 'dump',
	download: 'get',
	decrypt: 'open',
	checksum: 'sha',
	encrypt: 'age',
	upload: 'up',
	verify: 'check',
	restore: 'load',
};

const remoteWords: Readonly<Record<string, string>> = {
	s3: 's3',
	b2: 'b2',
	gs: 'gcs',
	gcs: 'gcs',
	azure: 'az',
	sftp: 'sftp',
};

/** The upload's word is the remote's, where there is one only. */
export function stageWord(stage: StageName, destinations: readonly string[]): string {
	if (stage !== 'upload') return words[stage];
	const schemes = new Set(destinations.map(one => /^([a-z0-9]+):\/\//.exec(one)?.[1]).filter(one => one !== undefined));
	const [only] = schemes;
	return schemes.size === 1 && only !== undefined ? (remoteWords[only] ?? words.upload) : words.upload;
}

/** `stopped`: it did nothing wrong, another stage of its job did. */
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

export function stageMark(job: JobState, stage: StageName): StageMark {
	if (isSkipped(job)) return 'notAsked';
	const status = job.stage[stage];
	if (status?.state !== 'failed') return status?.state ?? 'notAsked';
	if (job.status === 'cancelled') return 'cancelled';
	return firstFailed(job) === stage ? 'failed' : 'stopped';
}

/** All stages run at the same time: when one fails the others end with it, a little later. */
function firstFailed(job: JobState): StageName | undefined {
	const failed = job.stages.filter(stage => job.stage[stage]?.state === 'failed');
	return failed.toSorted((a, b) => (job.stage[a]?.finishedAt ?? 0) - (job.stage[b]?.finishedAt ?? 0))[0];
}

/** What the stages column shows: the stages that any of `jobs` has, in the order in which bytes pass. */
export type StagePlan = {
	readonly stages: readonly StageName[];
	readonly words: readonly string[];
	/** Cells, with words and with glyphs only. */
	readonly wide: number;
	readonly narrow: number;
	/** Jobs of several kinds: each shows only its own stages. */
	readonly own: boolean;
};

/** More stages than this are not aligned in one grid: dumps and downloads in one console have few in common. */
const gridLimit = 5;

export function planStages(state: RunState): StagePlan {
	const used = new Set<StageName>();
	let most = 1;
	for (const job of state.jobs.values()) {
		for (const stage of job.stages) used.add(stage);
		most = Math.max(most, job.stages.length);
	}
	const stages = stageNames.filter(stage => used.has(stage));
	const own = stages.length > gridLimit;
	const texts = stages.map(stage => stageWord(stage, state.destinations));
	const lengths = own
		? texts
				.map(text => text.length)
				.toSorted((a, b) => b - a)
				.slice(0, most)
		: texts.map(text => text.length);
	const count = own ? most : Math.max(1, stages.length);
	return {stages, words: texts, wide: lengths.reduce((sum, one) => sum + one + 2, -1), narrow: count, own};
}

/** The stages of one job as `dump● sha✓`, or as `●✓` where room is short. */
export function stageCells(job: JobState, plan: StagePlan, withWords: boolean, glyphs: Glyphs): Line {
	const spans: Span[] = [];
	for (const [index, stage] of plan.stages.entries()) {
		const mark = stageMark(job, stage);
		if (plan.own && mark === 'notAsked') continue;
		if (withWords && spans.length > 0) spans.push(span(' '));
		const quiet = mark === 'waiting' || mark === 'notAsked';
		if (withWords)
			spans.push(span(plan.words[index] ?? '', quiet ? 'quiet' : mark === 'failed' ? 'failed' : undefined));
		spans.push(span(glyphs[mark], tones[mark]));
	}
	return spans;
}
