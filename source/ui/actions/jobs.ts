/** Steering jobs: look into one, cancel it, run it again. */
import type {JobState} from '../../core/state.js';
import type {Secrets} from '../../core/handle.js';
import type {Console} from '../console.js';
import {selectedLine} from './log-cursor.js';
import {listJobs} from '../layout/job-list.js';
import {planRegions} from '../layout/regions.js';
import {windowTop} from '../layout/window.js';
import {selectedName} from './files-view.js';
import {openFile} from './info.js';
import {askSecret} from './secret.js';

/** The job that keys are about: the one under the cursor, or the one that is looked at. */
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
	if (screen !== 'jobs') return;
	const job = selectedJob(c);
	if (job) c.set({screen: 'detail', detail: {job: job.id, top: 0}, jobs: {...c.view().jobs, selected: job.id}});
}

export function askCancel(c: Console): void {
	const job = selectedJob(c);
	if (refuses(c) || job === undefined) return;
	if (job.status !== 'running' && job.status !== 'waiting') return c.say(`${job.name} is not running`);
	// The cursor stays with this job, wherever the list puts it: a second x is not about another one.
	c.setJobs({selected: job.id});
	c.ask({
		kind: 'choice',
		title: `Cancel ${job.name}?`,
		text: ['The others go on. What has been written of it is removed.'],
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
	const run = (secrets?: Secrets) => {
		c.handle.retry(job.id, secrets);
		c.say(`${job.name} runs again`, 'running');
	};
	const {error} = job;
	if (error?.code !== 'WRONG_KEY') return run();
	const locked = [...c.handle.state().jobs.values()].filter(isLocked).length;
	const title = locked > 1 ? `${locked} files need another key` : `${job.name} needs another key`;
	askSecret(c, {title, problem: error.message, then: run});
}

function isLocked({status, error}: JobState): boolean {
	return status === 'failed' && error?.code === 'WRONG_KEY';
}

export function nextError(c: Console): void {
	const {jobs: view} = c.view();
	const jobs = listJobs(c.handle.state(), view);
	const at = jobs.findIndex(job => job.id === view.selected);
	const isBad = (job: JobState) => job.status === 'failed';
	const next = jobs.findIndex((job, index) => index > at && isBad(job));
	const index = next >= 0 ? next : jobs.findIndex(isBad);
	const job = jobs[index];
	if (job === undefined) return c.say('nothing has failed', 'done');
	if (c.view().screen === 'detail') return c.set({detail: {job: job.id, top: 0}, jobs: {...view, selected: job.id}});
	const height = planRegions(c.size().rows, 3).list;
	c.setJobs({selected: job.id, top: windowTop(view.top, index, height - 1, jobs.length)});
}

/** `y`: what one would want to paste somewhere else. */
export function copySelected(c: Console): void {
	const {screen} = c.view();
	const text =
		screen === 'files' ? selectedName(c) : screen === 'logs' ? selectedLine(c)?.text : jobText(selectedJob(c));
	if (text === undefined || text === '') return c.say('there is nothing to copy');
	c.copy(text);
}

function jobText(job: JobState | undefined): string | undefined {
	if (job?.error !== undefined) return job.error.message;
	return job?.files.find(file => file.role !== 'checksum')?.path ?? job?.name;
}

/** A recorded run cannot be steered. */
export function refuses(c: Console): boolean {
	if (c.info.readOnly) c.say('this is a recorded run: it can be looked at only');
	return c.info.readOnly;
}
