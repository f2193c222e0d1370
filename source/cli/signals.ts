import {readFileSync} from 'node:fs';
import {constants} from 'node:os';
import {CancelledError} from '../core/errors.js';

const handled = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Handled = (typeof handled)[number];

export type SignalHandling = {
	/** Aborted by the first signal, with a CancelledError of exit status 128+N. */
	readonly signal: AbortSignal;
	/** Cancels everything, like a signal. */
	readonly cancel: (reason: CancelledError) => void;
	readonly stop: () => void;
};

/**
 * Handles signals: the first one ends the work cleanly, the second one immediately. This includes SIGHUP, unless it was
 * ignored when we were started (nohup). `onSignal` returns true when it takes a signal over (a console that loses its
 * terminal lets the work continue).
 */
export function handleSignals(options: {
	readonly onFirst: (name: string) => void;
	readonly exitNow: (code: number) => never;
	readonly takeOver?: (name: Handled) => boolean;
}): SignalHandling {
	const controller = new AbortController();
	const listeners = handled
		.filter(name => name !== 'SIGHUP' || !hangupIgnored())
		.map(name => {
			const listener = () => {
				if (options.takeOver?.(name)) return;
				const status = 128 + constants.signals[name];
				if (controller.signal.aborted) options.exitNow(status);
				options.onFirst(name);
				controller.abort(new CancelledError(`interrupted by ${name}`, status));
			};
			process.on(name, listener);
			return () => process.off(name, listener);
		});
	return {
		signal: controller.signal,
		cancel: reason => controller.abort(reason),
		stop: () => {
			for (const off of listeners) off();
			// Everything is done and reported: later signals must not change the exit status.
			for (const name of handled) process.on(name, () => undefined);
		},
	};
}

/** Linux reports which signals a process ignores; Node has no API for it. Signal 1 is bit 0. */
function hangupIgnored(): boolean {
	if (process.platform !== 'linux') return false;
	const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
	return mask !== undefined && (BigInt(`0x${mask}`) & 1n) === 1n;
}
