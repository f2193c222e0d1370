import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFile} from 'node:fs/promises';
import {cleanEnvironment} from '../demo/command.js';

export type Timed = {readonly seconds: number; readonly megabytes: number};

/**
 * Returns the seconds of the whole, and the largest resident set of the process itself in MiB (sampled from /proc).
 * Throws when it fails.
 */
export async function timeCommand(
	command: string,
	args: readonly string[],
	signal: AbortSignal,
	env: Readonly<Record<string, string>> = {},
): Promise<Timed> {
	const start = performance.now();
	const child = spawn(command, args, {
		stdio: ['ignore', 'ignore', 'inherit'],
		env: {...cleanEnvironment(), ...env},
		signal,
	});
	let peak = 0;
	const sampler = setInterval(() => {
		void readFile(`/proc/${child.pid}/status`, 'utf8').then(
			text => (peak = Math.max(peak, Number(/^VmHWM:\s*(\d+)/m.exec(text)?.[1] ?? 0))),
			() => undefined, // it has just exited
		);
	}, 50);
	const [code] = (await once(child, 'close')) as [number | null];
	clearInterval(sampler);
	if (code !== 0) throw new Error(`${command} ended with status ${String(code)}`);
	return {seconds: (performance.now() - start) / 1000, megabytes: peak / 1024};
}
