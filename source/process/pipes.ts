/**
 * Creates pipes with two plain descriptors, which Node does not support: what it gives a child as a pipe is a socket,
 * which only its event loop can read. A shell creates several at once and holds them until we have opened them through
 * /proc. If that is impossible, mkfifo(1) creates named pipes, which are unlinked as soon as they are open.
 */
import {closeSync, constants, existsSync, mkdtempSync, openSync, rmdirSync, unlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Environment} from '../lib/environment.js';
import {captureChild, startChild, succeed} from './child.js';

/** Blocking, and not inherited by children unless passed to them. The caller of `takePipe` closes both ends. */
export type Pipe = {readonly readable: number; readonly writable: number};

const ready: Pipe[] = [];
let making: Promise<void> | undefined;
/** Descriptors in the shell; this number of pipes at a time. */
const [first, last] = [10, 13];

/** Creates some in advance; errors are thrown by `takePipe`. */
export function preparePipes(env: Environment): void {
	if (ready.length === 0) makeMore(env).catch(() => undefined);
}

/** Returns a pipe. Throws FAILED when there is neither bash nor mkfifo, and system errors. */
export async function takePipe(env: Environment): Promise<Pipe> {
	for (;;) {
		const pipe = ready.pop();
		if (pipe) return pipe;
		await makeMore(env);
	}
}

function makeMore(env: Environment): Promise<void> {
	making ??= makePipes(env).finally(() => (making = undefined));
	return making;
}

async function makePipes(env: Environment): Promise<void> {
	if (existsSync('/proc/self/fd') && (await makeAnonymous(env))) return;
	await makeNamed(env);
}

/** Returns false when there is no bash. */
export async function makeAnonymous(env: Environment): Promise<boolean> {
	const ending = new AbortController();
	const child = startChild({
		command: 'bash',
		// A bash with a socket as its input assumes a network login, and reads its start-up files.
		args: [
			'--norc',
			'--noprofile',
			'-c',
			`for ((i = ${first}; i <= ${last}; i++)); do eval "exec $i<> <(:)"; done; echo; read -r`,
		],
		env: {PATH: env['PATH'], HOME: env['HOME']},
		stdin: 'pipe',
		stdout: 'pipe',
		signal: ending.signal,
	});
	child.stdin?.on('error', () => undefined); // it has exited already: its exit status gives the reason
	const done = succeed(child, 'bash');
	try {
		const isReady = await Promise.race([
			new Promise<true>(resolve => child.stdout?.once('data', () => resolve(true))),
			done.then(() => false),
		]).catch(() => false);
		if (!isReady || child.pid === undefined) return false;
		for (let descriptor = first; descriptor <= last; descriptor++)
			ready.push(openBoth(`/proc/${child.pid}/fd/${descriptor}`));
		return true;
	} finally {
		child.stdin?.end('\n');
		await done.catch(() => undefined); // the caller has a fallback
	}
}

/** Throws FAILED when there is no mkfifo. */
export async function makeNamed(env: Environment): Promise<void> {
	const directory = makeDirectory();
	const paths = Array.from({length: last - first + 1}, (_, index) => join(directory, String(index)));
	try {
		const {signal} = new AbortController(); // it takes a moment, and other callers wait for it too
		await captureChild({command: 'mkfifo', args: ['-m', '600', ...paths], env: {PATH: env['PATH']}, signal}, 'mkfifo');
		for (const path of paths) ready.push(openNamed(path));
	} finally {
		for (const path of paths) unlinkIfThere(path);
		rmdirSync(directory);
	}
}

/** Opens both ends, because opening one alone would block. */
function openNamed(path: string): Pipe {
	const both = openSync(path, constants.O_RDWR);
	try {
		return openBoth(path);
	} finally {
		closeSync(both);
	}
}

function openBoth(path: string): Pipe {
	return {readable: openSync(path, constants.O_RDONLY), writable: openSync(path, constants.O_WRONLY)};
}

/** Creates a directory outside /tmp if necessary: some services may not write to /tmp. */
function makeDirectory(): string {
	try {
		return mkdtempSync(join(tmpdir(), 'pg_back-'));
	} catch (error) {
		if (!existsSync('/dev/shm')) throw error;
		return mkdtempSync('/dev/shm/pg_back-');
	}
}

function unlinkIfThere(path: string): void {
	try {
		unlinkSync(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
	}
}
