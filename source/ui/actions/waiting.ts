/** Work that a dialog shows while it goes on. */
import type {Console} from '../console.js';
import type {WaitingDialog} from '../dialog.js';

/** Asks `dialog` until `work` has ended. Closed before (Esc), its signal aborts, and neither `done` nor `failed` is called. */
export function waitIn<T>(
	c: Console,
	dialog: WaitingDialog,
	work: (signal: AbortSignal) => Promise<T>,
	done: (value: T) => void,
	failed: (error: unknown) => void,
): void {
	const waiting = new AbortController();
	c.ask({...dialog, waiting});
	const {signal} = waiting;
	work(signal).then(
		value => signal.aborted || done(value),
		(error: unknown) => signal.aborted || failed(error),
	);
}
