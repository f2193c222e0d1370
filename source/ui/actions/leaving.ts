/** Leaves the screen. Asks first if work is running; the exit status is that of the work, whatever is chosen here. */
import {jobBytes} from '../../core/jobs.js';
import type {RunState} from '../../core/run-state.js';
import {countTexts, countWork} from '../../core/work-counts.js';
import {formatBytes} from '../../lib/format.js';
import type {Console} from '../console.js';
import type {ChoiceDialog, Dialog} from '../dialog.js';
import {askDetach, detach, isDetachQuestion} from './attach.js';

const leaveTitle = 'Work is running';

/** Handles q on a main screen. */
export function quit(c: Console): void {
	if (c.attached()) return detach(c);
	if (c.info.readOnly || !c.isWorking()) return c.leave('quit');
	c.ask(leaveDialog(c));
}

/** Handles Ctrl-C: the same question; a second one cancels immediately. */
export function interrupt(c: Console): void {
	if (c.attached()) return askDetach(c);
	quit(c);
}

export function interruptAgain(c: Console, dialog: Dialog): void {
	if (dialog.kind === 'choice' && dialog.title === leaveTitle) return cancelEverything(c);
	if (isDetachQuestion(dialog)) return detach(c);
	c.ask(undefined);
	interrupt(c);
}

/** Describes what would be lost, and what the next key does. */
function stakes(run: RunState): readonly string[] {
	const {waiting, done, ...counts} = countWork(run);
	const active = countTexts({...counts, waiting: 0, done: 0, skipped: 0, failed: 0, cancelled: 0}).join(', ');
	const bytes = [...run.jobs.values()].reduce((sum, job) => sum + (job.status === 'running' ? jobBytes(job) : 0), 0);
	return [
		`${active === '' ? 'Nothing in progress' : `${active} (${formatBytes(bytes)} so far)`}, ${waiting} waiting, ${done} done and kept.`,
		'Ctrl-C again: cancel everything.',
	];
}

function leaveDialog(c: Console): ChoiceDialog {
	return {
		kind: 'choice',
		title: leaveTitle,
		text: stakes(c.handle.state()),
		cursor: 2,
		options: [
			{key: 'f', label: 'let it finish: leave the screen, the log continues', run: () => c.leave('detached')},
			{key: 'c', label: 'cancel everything', danger: true, run: () => cancelEverything(c)},
			{key: 'b', label: 'back', run: () => undefined},
		],
	};
}

function cancelEverything(c: Console): void {
	c.handle.cancel();
	c.leave('cancelled');
}

/** Handles Ctrl-Z: a stopped process would hold pg_dump's snapshot and locks while it is stopped. */
export function suspend(c: Console): void {
	if (c.isWorking() && !c.info.readOnly) {
		return c.say(
			'Ctrl-Z is refused: a stopped pg_back would stall pg_dump with its snapshot open; L shows the plain log',
		);
	}
	c.suspend();
}
