/** Shows running work in a dialog. */
import type {Console} from '../console.js';
import type {WaitingDialog} from '../dialog.js';

/**
 * Shows `dialog` until `work` has ended. When it is closed earlier (Esc), its signal aborts, and neither `done` nor
 * `failed` is called.
 */
export function waitIn<T>(
	c: Console,
	dialog: WaitingDialog,
	work: (signal: AbortSignal) => Promise<T>,
	{done, failed}: {readonly done: (value: T) => void; readonly failed: (error: unknown) => void},
): void {
	const waiting = new AbortController();
	c.ask({...dialog, waiting});
	const {signal} = waiting;
	work(signal).then(
		value => signal.aborted || done(value),
		(error: unknown) => signal.aborted || failed(error),
	);
}
