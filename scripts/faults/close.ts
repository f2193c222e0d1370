/** Failing closes, by a library of a few lines that is compiled where there is a compiler. */
import {execFileSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {constants} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {scratchDirectory} from '../../test/helpers/program.js';
import {findTool} from '../../test/helpers/tools.js';

export const compiler = findTool('cc');
let library: string | undefined;

/**
 * Returns a wrapper for a program: the `n`th close of a file, in each of its processes, fails with `error`; `log` gets
 * a line for each.
 */
export function closesFail(log: string, error: keyof typeof constants.errno, n: number): readonly string[] {
	writeFileSync(log, '');
	library ??= compile();
	return ['/usr/bin/env', `LD_PRELOAD=${library}`, `CLOSE_FAILS=${n}:${constants.errno[error]}:${log}`];
}

function compile(): string {
	if (compiler === undefined) throw new Error('no cc');
	const path = join(scratchDirectory('close'), 'close.so');
	const source = fileURLToPath(new URL('close.c', import.meta.url));
	execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', path, source]);
	return path;
}
