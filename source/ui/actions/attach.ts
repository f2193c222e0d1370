/** Attaches to the run of another process. Nothing is changed there without a question. */
import {describeElsewhere} from '../../core/elsewhere.js';
import type {RunElsewhere} from '../../core/handle.js';
import type {Console} from '../console.js';
import type {Dialog} from '../dialog.js';

const leaveTitle = 'Attached to a run of another process';

/** Handles Enter on the first screen. Returns false when there is no run to attach to. */
export function attachFromHome(c: Console): boolean {
	const [first, ...others] = c.home().elsewhere ?? [];
	if (first === undefined) return false;
	if (others.length === 0) attach(c, first);
	else
		c.ask({
			kind: 'choice',
			title: 'Attach to which run?',
			text: [],
			cursor: 0,
			options: [first, ...others].slice(0, 9).map((run, index) => ({
				key: String(index + 1),
				label: describeElsewhere(run, c.now()),
				run: () => attach(c, run),
			})),
		});
	return true;
}

function attach(c: Console, run: RunElsewhere): void {
	if (!run.canAttach)
		return c.say('this run does not answer: an older version, another machine or another user; see its log');
	const shown = c
		.attach(run)
		.then(() => c.set({screen: 'jobs', jobs: {...c.view().jobs, selected: undefined, top: 0}}));
	c.attempt(shown);
}

/** Returns to our own screen; the other run continues. */
export function detach(c: Console): void {
	c.detach();
	c.set({screen: 'jobs', dialog: undefined, jobs: {...c.view().jobs, selected: undefined, top: 0}});
	c.reloadHome();
}

/** Handles Ctrl-C while another run is shown. */
export function askDetach(c: Console): void {
	const attached = c.attached();
	if (attached === undefined || attached.isOver) return detach(c);
	c.ask({
		kind: 'choice',
		title: leaveTitle,
		text: [
			`This is the ${describeElsewhere(attached, c.now())}.`,
			'It goes on when you detach.  Ctrl-C again: detach.',
		],
		cursor: 0,
		options: [
			{key: 'd', label: 'detach: the run goes on', run: () => detach(c)},
			{key: 'c', label: 'cancel the whole run', danger: true, run: () => c.handle.cancel()},
			{key: 'b', label: 'back', run: () => undefined},
		],
	});
}

export function isDetachQuestion(dialog: Dialog): boolean {
	return dialog.kind === 'choice' && dialog.title === leaveTitle;
}
