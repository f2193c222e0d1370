/** Runs the built program as its users do: in a separate process, checked by status, streams and files. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {generateX25519Identity, identityToRecipient} from 'age-encryption';
import {buildIfStale} from '../../scripts/setup/build.mjs';
import {cacheVariable, copyProgram, programVariable} from '../../scripts/testing/program-copy.js';
import type {Cluster} from './cluster.js';

export type RunOptions = {
	/** In addition to PATH, HOME and LC_ALL; nothing else of the tests' environment reaches the program. */
	readonly env?: Readonly<Record<string, string>>;
	readonly cwd?: string;
	/** Put before the program: `['strace', '-f']`. */
	readonly wrapper?: readonly string[];
	/** Of the program, in octal. */
	readonly umask?: string;
	/** Leader of a process group of its own. */
	readonly detached?: boolean;
};

export type Ended = {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: string;
	readonly stderr: string;
	/** Of stdout, as bytes. */
	readonly bytes: Buffer;
};

export type Running = {
	readonly pid: number;
	readonly child: ChildProcess;
	readonly stderr: () => string;
	/** Resolves when stderr holds `pattern`; rejects when the program ends without. */
	readonly untilLog: (pattern: RegExp) => Promise<void>;
	readonly ended: Promise<Ended>;
};

/**
 * Returns the program's path: a copy of dist/, so that a concurrent build does not change it. `npm test` has made one for
 * all files; a file that is run by itself makes its own.
 */
export async function programPath(): Promise<string> {
	if (process.env[programVariable] === undefined) {
		made ??= buildIfStale(process.execPath).then(copyProgram);
		await made;
	}
	return process.env[programVariable] ?? assert.fail('no copy of the program was made');
}

let made: Promise<void> | undefined;

/** Creates a directory that is removed with this process, reachable by other users. */
export function scratchDirectory(name: string): string {
	const directory = mkdtempSync(join(tmpdir(), `pgb-${name}-`));
	chmodSync(directory, 0o755);
	if (scratch.size === 0) process.once('exit', () => scratch.forEach(removeTree));
	scratch.add(directory);
	return directory;
}

const scratch = new Set<string>();

/** Also removes what tests have left without write or search permission, which otherwise only root may do. */
function removeTree(path: string): void {
	try {
		rmSync(path, {recursive: true, force: true});
	} catch {
		spawnSync('chmod', ['-R', 'u+rwX', path]);
		rmSync(path, {recursive: true, force: true});
	}
}

export const cleanEnvironment: Readonly<Record<string, string>> = {
	PATH: process.env['PATH'] ?? '/usr/bin:/bin',
	HOME: tmpdir(),
	LC_ALL: 'C.UTF-8',
	TZ: 'UTC',
	...(process.env[cacheVariable] !== undefined && {NODE_COMPILE_CACHE: process.env[cacheVariable]}),
};

export async function startProgram(args: readonly string[], options: RunOptions = {}): Promise<Running> {
	const words = [...(options.wrapper ?? []), process.execPath, await programPath(), ...args];
	const [command = '', ...rest] =
		options.umask === undefined ? words : ['sh', '-c', `umask ${options.umask}; exec "$@"`, 'sh', ...words];
	const child = spawn(command, rest, {
		cwd: options.cwd,
		env: {...cleanEnvironment, ...options.env},
		stdio: ['ignore', 'pipe', 'pipe'],
		detached: options.detached ?? false,
	});
	const kill = () => child.kill('SIGKILL');
	process.once('exit', kill);
	const stdout: Buffer[] = [];
	let stderr = '';
	child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
	child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
	const ended = (async (): Promise<Ended> => {
		const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
		process.off('exit', kill);
		const bytes = Buffer.concat(stdout);
		return {code, signal, stdout: bytes.toString('utf8'), stderr, bytes};
	})();
	return {
		pid: child.pid ?? -1,
		child,
		stderr: () => stderr,
		async untilLog(pattern) {
			while (!pattern.test(stderr)) {
				const over = await Promise.race([once(child.stderr, 'data').then(() => false), ended.then(() => true)]);
				if (over && !pattern.test(stderr)) throw new Error(`ended before it said ${String(pattern)}:\n${stderr}`);
			}
		},
		ended,
	};
}

export async function runProgram(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
	return (await startProgram(args, options)).ended;
}

/**
 * Waits for the next second: names of dumps have a resolution of seconds, and a purge of what is older than the run
 * compares those.
 */
export async function nextSecond(): Promise<void> {
	const second = () => Math.floor(Date.now() / 1000);
	const before = second();
	while (second() === before) await new Promise(resolve => setTimeout(resolve, 20));
}

/** Returns the options for `cluster` and `directory`, without any configuration file. */
export function connectTo(
	cluster: Pick<Cluster, 'socketDirectory' | 'port'>,
	directory: string,
	user = 'postgres',
): string[] {
	return ['--no-config-file', '-h', cluster.socketDirectory, '-p', String(cluster.port), '-U', user, '-b', directory];
}

/** Returns true for files about the run itself, not about one of its outputs. */
export function isAboutTheRun(name: string): boolean {
	return name === '.pg_back-history.json' || /^pg_back_.*\.(manifest\.json|private\.json\.age)$/.test(name);
}

/**
 * Returns every file and directory below `directory`, relative, sorted, including hidden ones; without the run's own
 * manifests unless requested.
 */
export function filesIn(directory: string, {manifests = false} = {}): string[] {
	return readdirSync(directory, {recursive: true, encoding: 'utf8'})
		.filter(name => manifests || !isAboutTheRun(name))
		.sort();
}

/** Returns `filesIn` with T for the time in every name. */
export function shapesIn(directory: string): string[] {
	return filesIn(directory).map(withoutTime).sort();
}

export function withoutTime(name: string): string {
	return name.replaceAll(/_\d{4}-\d\d-\d\d(T[\d:]+(Z|[+-]\d\d:\d\d)|_\d\d-\d\d-\d\d)/g, '_T');
}

/** The permission bits, in octal. */
export function modeOf(path: string): string {
	return (statSync(path).mode & 0o7777).toString(8);
}

/** Returns `ended`; fails with what the program said unless it succeeded. */
export function succeeded(ended: Ended): Ended {
	assert.equal(ended.code, 0, ended.stderr || ended.stdout);
	return ended;
}

/** Creates a key pair of age's own kind. */
export async function newAgeKeys(): Promise<{readonly recipient: string; readonly identity: string}> {
	const identity = await generateX25519Identity();
	return {identity, recipient: await identityToRecipient(identity)};
}

export type KeyFile = {
	readonly recipient: string;
	readonly identity: string;
	/** Holds the identity. */
	readonly file: string;
};

/** Creates a key pair whose private half is in a file too. */
export async function newKeyFile(): Promise<KeyFile> {
	const keys = await newAgeKeys();
	const file = join(scratchDirectory('key'), 'identity');
	writeFileSync(file, `${keys.identity}\n`, {mode: 0o600});
	return {...keys, file};
}
