import {readFileSync} from 'node:fs';
import {constants} from 'node:os';
import {CancelledError} from '../core/errors.js';

const handled = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Handled = (typeof handled)[number];

export type SignalHandling = {
	/** Aborted by the first signal, with a CancelledError of exit status 128+N. */
	readonly signal: AbortSignal;
	/** Cancels everything as a signal does. */
	readonly cancel: (reason: CancelledError) => void;
	readonly stop: () => void;
};

/**
 * The first signal ends the work cleanly, the second at once. SIGHUP does so too unless we were started with it ignored (nohup).
 * `onSignal` may take a signal over (a console that loses its terminal lets the work go on): true when it did.
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
			// All is done and said: what comes in the last moments must not take the exit status away.
			for (const name of handled) process.on(name, () => undefined);
		},
	};
}

/** Linux says which signals a process ignores; node has no way to ask. Signal 1 is bit 0. */
function hangupIgnored(): boolean {
	if (process.platform !== 'linux') return false;
	const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
	return mask !== undefined && (BigInt(`0x${mask}`) & 1n) === 1n;
}
