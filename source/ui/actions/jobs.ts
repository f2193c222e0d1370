/** Controls jobs: shows one, cancels it, repeats it. */
import {describeElsewhere} from '../../core/elsewhere.js';
import type {JobState} from '../../core/run-state.js';
import type {Secrets} from '../../core/secrets.js';
import type {Console} from '../console.js';
import {listJobs} from '../layout/job-list.js';
import {planRegions} from '../layout/regions.js';
import {windowTop} from '../layout/window.js';
import {askSwap} from '../restore/swap.js';
import {type MainScreen, mainScreenOf} from '../view.js';
import {attachFromHome} from './attach.js';
import {selectedName} from './files-view.js';
import {openInFleet, selectedInFleet} from './fleet.js';
import {openFile} from './info.js';
import {selectedLine} from './log-cursor.js';
import {askSecret} from './secret.js';

/** Returns the job that keys apply to: the one under the cursor, or the one shown in detail. */
export function selectedJob(c: Console): JobState | undefined {
	const {screen, detail, jobs} = c.view();
	const run = c.handle.state();
	if (screen === 'detail') return run.jobs.get(detail.job);
	const list = listJobs(run, jobs);
	return list.find(job => job.id === jobs.selected) ?? list[0];
}

export function openSelected(c: Console): void {
	const {screen} = c.view();
	if (screen === 'files') return openFile(c);
	if (screen === 'fleet' || screen === 'server') return openInFleet(c);
	if (screen !== 'jobs') return;
	if (c.handle.state().jobs.size === 0 && c.attached() === undefined && attachFromHome(c)) return;
	const job = selectedJob(c);
	if (job?.question) return askSwap(c, job);
	if (job) c.set({screen: 'detail', detail: {job: job.id, top: 0}, jobs: {...c.view().jobs, selected: job.id}});
}

export function askCancel(c: Console): void {
	const job = selectedJob(c);
	if (refuses(c) || job === undefined) return;
	if (job.status !== 'running' && job.status !== 'waiting') return c.say(`${job.name} is not running`);
	// The cursor stays with this job when the list changes: a second x does not apply to another one.
	c.setJobs({selected: job.id});
	c.ask({
		kind: 'choice',
		title: `Cancel ${job.name}?`,
		text: [...ownerText(c), 'The others go on. What has been written of it is removed.'],
		cursor: 1,
		options: [
			{key: 'y', label: 'cancel it', danger: true, run: () => c.handle.cancel(job.id)},
			{key: 'n', label: 'let it run', run: () => undefined},
		],
	});
}

export function retry(c: Console): void {
	const job = selectedJob(c);
	if (refuses(c) || job === undefined) return;
	if (job.status !== 'failed' && job.status !== 'cancelled') return c.say(`${job.name} has not failed`);
	if (!job.canRetry) return c.say(`${job.name} cannot be retried on its own`);
	const run = (secrets?: Secrets) => {
		c.handle.retry(job.id, secrets);
		c.say(`${job.name} runs again`, 'running');
	};
	if (c.attached()) return askRetry(c, job);
	const {error} = job;
	if (error?.code !== 'WRONG_KEY') return run();
	const locked = [...c.handle.state().jobs.values()].filter(isLocked).length;
	const title = locked > 1 ? `${locked} files need another key` : `${job.name} needs another key`;
	askSecret(c, {title, problem: error.message, then: run});
}

/** Describes the other process whose run is shown. */
function ownerText(c: Console): readonly string[] {
	const attached = c.attached();
	return attached ? [`It belongs to the ${describeElsewhere(attached, c.now())}.`] : [];
}

function askRetry(c: Console, job: JobState): void {
	c.ask({
		kind: 'choice',
		title: `Run ${job.name} again?`,
		text: ownerText(c),
		cursor: 1,
		options: [
			{key: 'y', label: 'run it again', run: () => c.handle.retry(job.id)},
			{key: 'n', label: 'leave it', run: () => undefined},
		],
	});
}

function isLocked({status, error}: JobState): boolean {
	return status === 'failed' && error?.code === 'WRONG_KEY';
}

export function nextError(c: Console): void {
	const {jobs: view} = c.view();
	const jobs = listJobs(c.handle.state(), view);
	const at = jobs.findIndex(job => job.id === view.selected);
	// A dump that blocks other sessions does harm now, so it is found too.
	const isBad = (job: JobState) => job.status === 'failed' || (job.progress?.blocking?.length ?? 0) > 0;
	const next = jobs.findIndex((job, index) => index > at && isBad(job));
	const index = next >= 0 ? next : jobs.findIndex(isBad);
	const job = jobs[index];
	if (job === undefined) return c.say('nothing has failed, and no session waits behind a dump', 'done');
	if (c.view().screen === 'detail') return c.set({detail: {job: job.id, top: 0}, jobs: {...view, selected: job.id}});
	const height = planRegions(c.size().rows, 3).list;
	c.setJobs({selected: job.id, top: windowTop(view.top, index, height - 1, jobs.length)});
}

/** Handles `y`: copies what the user may want to paste elsewhere. */
export function copySelected(c: Console): void {
	const {screen} = c.view();
	const texts: Readonly<Record<MainScreen, () => string | undefined>> = {
		files: () => selectedName(c),
		logs: () => selectedLine(c)?.text,
		fleet: () => selectedInFleet(c),
		jobs: () => jobText(selectedJob(c)),
	};
	const text = texts[mainScreenOf(screen)]();
	if (text === undefined || text === '') return c.say('there is nothing to copy');
	c.copy(text);
}

function jobText(job: JobState | undefined): string | undefined {
	if (job?.error !== undefined) return job.error.message;
	return job?.files.find(file => file.role !== 'checksum')?.path ?? job?.name;
}

/** Refuses actions on a recorded run. */
export function refuses(c: Console): boolean {
	if (c.info.readOnly) c.say('this is a recorded run: it is read-only');
	return c.info.readOnly;
}
