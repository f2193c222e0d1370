/**
 * R2: the n-th call of a system call fails, in every process and thread of a run, for n = 1, 2, … until a run is not
 * affected.
 */
import {mkdirSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {scratchDirectory} from '../../test/helpers/program.js';
import {traced} from '../../test/helpers/strace.js';
import {closesFail, compiler} from './close.js';
import {judge} from './judge.js';
import {afterGoodRun} from './kills.js';
import {type Bench, everything, type Figure, lastLines, randomSource, runMarked, survivors} from './sweep.js';

const calls = [
	'fsync',
	'link',
	'rename',
	'unlink',
	'writev',
	'pwrite64',
	'write',
	'openat',
	'close',
	'ftruncate',
	'fchmod',
	'mkdir',
	'read',
	'getdents64',
] as const;
const errors = ['ENOSPC', 'EIO', 'EDQUOT', 'EINTR'] as const;
/** Seconds in which a run must end, whatever fails. */
const longest = 20;
type Point = {readonly call: (typeof calls)[number]; readonly error: (typeof errors)[number]; readonly n: number};

/**
 * `points` undefined: all of them, each n until a run is not affected (for calls of Node's own start only every
 * seventh).
 */
export async function syscallSweep(
	bench: Bench,
	points: number | undefined,
	seed = 2,
	only: readonly string[] = calls,
): Promise<Figure> {
	const chosen = calls.filter(call => only.includes(call) && (call !== 'close' || compiler !== undefined));
	const violations: string[] = [];
	const notes = {'exit status 0': 0, 'failed as it should': 0, untouched: 0, 'stuck at a pipe': 0};
	let total = 0;
	const log = join(scratchDirectory('strace'), 'log');
	const tryPoint = async ({call, error, n}: Point): Promise<boolean> => {
		total++;
		const places = bench.places('syscalls');
		const wrapper =
			call === 'close'
				? closesFail(log, error, n)
				: [...traced(log, call, {paths: true}), '-e', `inject=${call}:error=${error}:when=${n}`];
		const run = await runMarked(everything(bench, places), {wrapper}, longest);
		const where = `${call} ${error} ${n}`;
		const trace = readFileSync(log, 'latin1');
		const touched = trace.includes('(INJECTED)');
		// No kernel refuses an open pipe. libuv's lock of its signal handlers is one, and would not be released; psql would
		// lose a response.
		const atPipe = trace.split('\n').some(line => /\(\d+<(?:pipe|anon_inode|socket|UNIX).*\(INJECTED\)/.test(line));
		if (run.hung && atPipe) notes['stuck at a pipe']++;
		else if (run.hung) violations.push(`${where}: no end`);
		else if (!touched) notes.untouched++;
		else if (run.code === 0) notes['exit status 0']++;
		else notes['failed as it should']++;
		const alive = await survivors(run.mark, 2000);
		if (alive.length > 0) violations.push(`${where}: alive 2 s later: ${alive.join('; ')}`);
		if (run.code === 0) violations.push(...afterGoodRun(bench, places).map(problem => `${where}: ${problem}`));
		else if (!touched) violations.push(`${where}: it failed untouched: ${lastLines(run.stderr)}`);
		for (const place of [places.directory, places.store]) {
			violations.push(...judge(place, bench.identity).broken.map(one => `${where}: exit status ${run.code}: ${one}`));
		}
		rmSync(join(places.directory, '..'), {recursive: true, force: true});
		mkdirSync(join(places.directory, '..'), {recursive: true});
		return touched;
	};
	if (points === undefined) {
		for (const call of chosen) {
			for (const error of errors) {
				for (let n = 1; await tryPoint({call, error, n}); n += n > 40 ? 7 : 1);
			}
		}
	} else {
		const random = randomSource(seed);
		for (let i = 0; i < points; i++) {
			const call = chosen[i % chosen.length] ?? 'fsync';
			const error = errors[Math.floor(random() * errors.length)] ?? 'EIO';
			await tryPoint({call, error, n: 1 + Math.floor(random() ** 2 * 24)});
		}
	}
	return {
		goal: 'R2',
		what: 'failing system calls with exit status 0 without a whole dump, or a broken file under a final name',
		total,
		violations,
		notes: {...notes, ...(compiler === undefined && {close: 'not tried: no cc'})},
	};
}
