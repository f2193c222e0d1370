/** The built program on a real terminal, for whole journeys. */
import {cleanEnvironment, programPath, scratchDirectory} from '../helpers/program.js';
import {type PtyOptions, type PtyProgram, startPty} from '../ui/helpers/pty.js';

export const keys = {
	enter: '\r',
	escape: '\u001B',
	right: '\u001B[C',
	ctrlC: '\u0003',
	ctrlU: '\u0015',
	ctrlZ: '\u001A',
};

/** Milliseconds: the machine may be busy. */
export const patience = 30_000;

export type OnTerminal = PtyProgram & {
	/** Waits until the screen has `what`. */
	readonly sees: (what: string | RegExp) => Promise<void>;
	/** The status that it ended with. */
	readonly status: () => Promise<number>;
};

export async function onTerminal(args: readonly string[], options: PtyOptions = {}): Promise<OnTerminal> {
	// What a lost terminal leaves behind must not be in the home of who runs the tests.
	const state = scratchDirectory('state');
	const pty = startPty([process.execPath, await programPath(), ...args], {
		cwd: scratchDirectory('cwd'),
		...options,
		env: {...cleanEnvironment, XDG_STATE_HOME: state, ...options.env},
	});
	return {
		...pty,
		async sees(what) {
			const isThere = (text: string) => (typeof what === 'string' ? text.includes(what) : what.test(text));
			const seen = pty.waitFor(isThere, String(what), patience);
			seen.catch(() => undefined); // told below, unless it ended before
			const ended = pty.exited.then(async () => {
				await pty.settled();
				if (!isThere(pty.text())) throw new Error(`ended before ${String(what)}; the screen shows:\n${pty.text()}`);
			});
			await Promise.race([seen, ended]);
		},
		status: async () => {
			const {exitCode} = await pty.exited;
			await pty.settled();
			return exitCode;
		},
	};
}
