/** Ends a stopped process group if this process is killed: otherwise it would stay stopped forever. */
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {startChild} from './child.js';

export type HoldGuard = {
	/** Returns false when the guard was killed: then nothing may be held any more. */
	readonly isAlive: () => boolean;
	/** Ends the guard, which then does nothing to the group. */
	readonly end: () => Promise<void>;
};

/**
 * A stopped process handles neither the kernel's SIGTERM after our death nor any other, so the shell sends both signals
 * when its standard input ends without a line. It ignores what would end it together with us.
 */
const script = `trap '' HUP INT QUIT TERM; echo; read -r line && exit 0; kill -TERM "-$1"; kill -CONT "-$1"`;

/** Starts the guard of the process group `group`. Throws FAILED when the shell cannot be started. */
export async function startHoldGuard(group: number, env: Environment): Promise<HoldGuard> {
	let isAlive = true;
	let onReady = () => {};
	const ready = new Promise<void>(resolve => (onReady = resolve));
	const child = startChild({
		command: 'sh',
		args: ['-c', script, 'sh', String(group)],
		env: {PATH: env['PATH']},
		stdin: 'pipe',
		stdout: 'lines',
		signal: new AbortController().signal,
		onLine: (_line, stream) => stream === 'stdout' && onReady(),
	});
	child.stdin?.on('error', () => undefined); // it was killed: `isAlive` says so
	const done = child.done.finally(() => (isAlive = false));
	const settled = done.catch(() => undefined); // thrown below, or `isAlive` says so
	await Promise.race([
		ready,
		done.then(() => {
			throw new PgBackError('FAILED', 'the shell that watches over a stopped pg_dump exited');
		}),
	]);
	return {
		isAlive: () => isAlive,
		async end() {
			child.stdin?.end('\n');
			await settled;
		},
	};
}
