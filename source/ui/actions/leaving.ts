/** Leaving the screen. What runs is asked about first; the exit status is the work's, whatever is chosen here. */
import {isWorking, type Console} from '../console.js';
import type {ChoiceDialog, Dialog} from '../dialog.js';

const leaveTitle = 'Work is running';

/** q on a main screen. */
export function quit(c: Console): void {
	if (c.info.readOnly || !isWorking(c.handle.state())) return c.leave('quit');
	c.ask(leaveDialog(c));
}

/** Ctrl-C: the same question; a second one cancels at once. */
export function interrupt(c: Console): void {
	quit(c);
}

export function interruptAgain(c: Console, dialog: Dialog): void {
	if (dialog.kind === 'choice' && dialog.title === leaveTitle) return cancelEverything(c);
	c.ask(undefined);
	quit(c);
}

function leaveDialog(c: Console): ChoiceDialog {
	return {
		kind: 'choice',
		title: leaveTitle,
		text: [],
		cursor: 2,
		options: [
			{key: 'f', label: 'let it finish: leave the screen, the log goes on', run: () => c.leave('detached')},
			{key: 'c', label: 'cancel everything', danger: true, run: () => cancelEverything(c)},
			{key: 'b', label: 'back', run: () => undefined},
		],
	};
}

function cancelEverything(c: Console): void {
	c.handle.cancel();
	c.leave('cancelled');
}

/** Ctrl-Z: a stopped process would hold pg_dump's snapshot and locks for as long as it sleeps. */
export function suspend(c: Console): void {
	if (isWorking(c.handle.state()) && !c.info.readOnly) {
		return c.say(
			'Ctrl-Z is refused: a stopped pg_back would stall pg_dump with its snapshot open; L shows the plain log',
		);
	}
	c.suspend();
}
