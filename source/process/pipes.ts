/**
 * Pipes whose two ends are plain descriptors, which Node does not make: what it gives a child as a pipe is a socket, and can be read by
 * its event loop only. A shell makes many at once and holds them until we have opened them through /proc. Where that cannot be,
 * mkfifo(1) makes named ones, which lose their names as soon as they are open.
 */
import {closeSync, constants, existsSync, mkdtempSync, openSync, rmdirSync, unlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {captureChild, startChild, succeed, type ChildOptions} from './child.js';

/** Blocking, and not inherited by children unless given to them. Whoever takes the pipe closes both ends. */
export type Pipe = {readonly readable: number; readonly writable: number};

type Environment = ChildOptions['env'];

const ready: Pipe[] = [];
let making: Promise<void> | undefined;
/** Descriptors in the shell; as many pipes at a time. */
const [first, last] = [10, 13];

/** Has some ready: what stands in the way of it, who takes one is told. */
export function preparePipes(env: Environment): void {
	if (ready.length === 0) makeMore(env).catch(() => undefined);
}

/** Throws FAILED when there is neither bash nor mkfifo, and system errors. */
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

/** False when there is no bash. */
export async function makeAnonymous(env: Environment): Promise<boolean> {
	const ending = new AbortController();
	const child = startChild({
		command: 'bash',
		// A bash whose input is a socket takes itself for one at the end of a network connection, and reads its start-up files.
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
	child.stdin?.on('error', () => undefined); // it is gone already: its end says why
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
		await done.catch(() => undefined); // the caller has another way
	}
}

/** Throws FAILED when there is no mkfifo. */
export async function makeNamed(env: Environment): Promise<void> {
	const directory = makeDirectory();
	const paths = Array.from({length: last - first + 1}, (_, index) => join(directory, String(index)));
	try {
		const {signal} = new AbortController(); // it takes a moment, and others wait for it too
		await captureChild({command: 'mkfifo', args: ['-m', '600', ...paths], env: {PATH: env['PATH']}, signal}, 'mkfifo');
		for (const path of paths) ready.push(openNamed(path));
	} finally {
		for (const path of paths) unlinkIfThere(path);
		rmdirSync(directory);
	}
}

/** One end alone would wait for the other. */
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

/** Some systems give a service no /tmp to write to. */
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
