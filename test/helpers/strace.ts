import {execFileSync} from 'node:child_process';
import {findTool} from './tools.js';

/** Undefined where it is not installed: the test is skipped. */
export const strace = findTool('strace');
export const needsStrace = {skip: strace === undefined && 'strace is not there'};

/**
 * To stand before a program: the named calls of all its processes go to `file`, with `length` characters of each text (32 unless given), and
 * with `paths` what each descriptor is.
 */
export function traced(
	file: string,
	calls: string,
	{length = 32, paths = false}: {readonly length?: number; readonly paths?: boolean} = {},
): readonly string[] {
	const words = [present(), '-f', '-qq', ...(paths ? ['-y'] : []), '-s', String(length)];
	return [...words, '-e', `trace=${calls}`, '-e', 'signal=none', '-o', file];
}

/** To stand before a program: the call fails in all its processes, always. */
export function failing(call: string, error: string): readonly string[] {
	return [present(), '-f', '-qq', '-e', `trace=${call}`, '-e', `inject=${call}:error=${error}`, '-o', '/dev/null'];
}

export function straceVersion(): string {
	return execFileSync(present(), ['--version'], {encoding: 'utf8'}).split('\n')[0] ?? '';
}

function present(): string {
	if (strace === undefined) throw new Error('strace is not there');
	return strace;
}
