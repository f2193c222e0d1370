/**
 * Locks held by the kernel: they end with our process, or with the last child that inherited the descriptor. Node has
 * no flock(2); flock(1) locks our open file through an inherited descriptor, and exits.
 */
import {spawn} from 'node:child_process';
import {constants} from 'node:fs';
import {type FileHandle, link, open, readFile, stat, unlink} from 'node:fs/promises';
import {hostname} from 'node:os';
import {dirname} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import {lacksHardLinks, lstatIfThere, makeParents} from '../lib/files.js';
import {readSmallFile} from '../lib/own-file.js';
import {programPath} from '../lib/trusted-file.js';

export type Lock = {
	readonly path: string;
	/** For children to inherit. */
	readonly descriptor: number;
	/** Removes the file and releases the lock (children that inherited it keep it). */
	readonly release: () => Promise<void>;
};

/** The lock file cannot be opened: it belongs to another user, or is not a regular file. Code LOCKED. */
export class UnusableLockError extends PgBackError {
	/** Read from the kernel's lock table; false also when that is not readable. */
	readonly isHeld: boolean;

	constructor(path: string, why: string, isHeld = false) {
		super('LOCKED', `lock file ${path} ${why}`, {hint: `remove ${path} when no run of that user is left`});
		this.isHeld = isHeld;
	}
}

/**
 * Takes the lock. Returns undefined when another process holds it. Without `sign` our process is not recorded as the
 * holder, which suits callers that only check whether the holder is dead. Without `create` a missing file is the system's error
 * ENOENT: the file may be in a directory that its holder is removing. flock(1) is searched in the PATH of `env`. Throws UnusableLockError.
 */
export async function tryLock(
	path: string,
	env: Environment,
	{sign = true, create = true}: {readonly sign?: boolean; readonly create?: boolean} = {},
): Promise<Lock | undefined> {
	if (create) await makeParents(path);
	for (;;) {
		const {handle, writable} = await openLock(path, {create});
		let ours = false;
		try {
			if (!(await flock(handle, env).catch((error: unknown) => unusable(path, error, writable)))) {
				await handle.close();
				return undefined;
			}
			// The previous holder may have removed the name between our open and our lock; then the lock protects nothing.
			ours = await isStill(path, handle);
			if (ours) {
				if (sign && writable) {
					await handle.truncate();
					await handle.write(`${process.pid} ${hostname()} ${new Date().toISOString()}\n`, 0);
				}
				return {
					path,
					descriptor: handle.fd,
					async release() {
						await unlink(path).catch(ignoreRefusal);
						await handle.close();
					},
				};
			}
		} catch (error) {
			if (ours) await unlink(path).catch(ignoreRefusal); // a full disk
			await handle.close();
			throw error;
		}
		await handle.close();
	}
}

/** A lock file that is only readable can be locked too, except over NFS. */
function unusable(path: string, error: unknown, writable: boolean): never {
	throw writable ? error : new UnusableLockError(path, 'belongs to another user and cannot be locked');
}

type Opened = {readonly handle: FileHandle; readonly writable: boolean};

/**
 * Opens the file, never through a link. An existing file is opened without O_CREAT, which fs.protected_regular refuses
 * for files of others.
 */
async function openLock(path: string, {create = true} = {}): Promise<Opened> {
	const safely = constants.O_NOFOLLOW | constants.O_NONBLOCK;
	for (;;) {
		for (const writable of [true, false]) {
			try {
				const handle = await open(path, (writable ? constants.O_RDWR : constants.O_RDONLY) | safely);
				if ((await handle.stat()).isFile()) return {handle, writable};
				await handle.close();
				throw new UnusableLockError(path, 'is not a regular file');
			} catch (error) {
				const code = (error as NodeJS.ErrnoException).code ?? '';
				if (code === 'ENOENT' && create) break;
				if (['ELOOP', 'EMLINK', 'EISDIR', 'ENXIO'].includes(code))
					throw new UnusableLockError(path, 'is not a regular file');
				if (!['EACCES', 'EPERM'].includes(code)) throw error;
				if (!writable) throw await inaccessibleLock(path);
			}
		}
		try {
			const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
			const handle = await open(path, flags, 0o600);
			await shareWithOwner(handle, dirname(path)).catch(() => undefined); // the lock is held nevertheless
			return {handle, writable: true};
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
		}
	}
}

/** The owner of the directory, and the group that may write to it, must be able to check whether the lock is held. */
async function shareWithOwner(handle: FileHandle, directory: string): Promise<void> {
	const {uid, gid, mode} = await stat(directory);
	if (process.geteuid?.() === 0 && uid !== 0) await handle.chown(uid, gid);
	if ((mode & 0o020) === 0) return;
	await handle.chown(-1, gid).catch(() => undefined); // not a member: the file keeps its group
	await handle.chmod(0o660);
}

async function inaccessibleLock(path: string): Promise<Error> {
	const stats = await stat(path).catch(() => undefined);
	const who = stats === undefined ? '' : ` (uid ${stats.uid})`;
	const held = stats !== undefined && (await isInLockTable(stats.ino));
	return new UnusableLockError(path, `belongs to another user${who} and cannot be opened`, held);
}

/** The kernel's lock table identifies files by inode; locks of other containers are not in it. */
async function isInLockTable(inode: number): Promise<boolean> {
	const table = await readFile('/proc/locks', 'utf8').catch(() => ''); // not Linux
	return table.split('\n').some(line => / FLOCK /.test(line) && line.includes(`:${inode} `));
}

/**
 * Creates another name for a held lock. The kernel locks files, not names, so a process that tries this name meets that
 * lock; this starts no process. Returns undefined when another process holds the name. Releasing it keeps the first
 * lock.
 */
export async function tryLockBy(held: Lock, path: string, env: Environment): Promise<Lock | undefined> {
	for (;;) {
		try {
			await link(held.path, path);
			return {path, descriptor: held.descriptor, release: () => unlink(path).catch(ignoreRefusal)};
		} catch (error) {
			if (lacksHardLinks(error)) return tryLock(path, env);
			if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
		}
		const left = await tryLock(path, env, {sign: false}); // left by a run that was killed
		if (!left) return undefined;
		await left.release();
	}
}

/** Returns whether a lock is held, or why that is not known; a lock that does not exist is free. Changes nothing. */
async function lockState(path: string, env: Environment): Promise<'free' | 'held' | UnusableLockError> {
	if ((await lstatIfThere(path)) === undefined) return 'free';
	try {
		const {handle, writable} = await openLock(path, {create: false});
		try {
			const isFree = await flock(handle, env).catch((error: unknown) => unusable(path, error, writable));
			return isFree ? 'free' : 'held';
		} finally {
			await handle.close();
		}
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'free';
		if (error instanceof UnusableLockError) return error;
		throw error;
	}
}

/** Describes the holder of a lock, or why the lock cannot be used; undefined when it is free. Changes nothing. */
export async function describeHeld(path: string, env: Environment): Promise<string | undefined> {
	const state = await lockState(path, env);
	if (state === 'free') return undefined;
	if (state === 'held') return `lock file ${path} is ${await describeHolder(path)}`;
	return state.isHeld ? `${state.message}, and is held` : state.message;
}

export type Held = {
	readonly path: string;
	/** From the lock file. */
	readonly holder?: Holder;
};

/** Returns the holder of a lock; undefined when it is not known to be held. Changes nothing. */
export async function findHolder(path: string, env: Environment): Promise<Held | undefined> {
	const state = await lockState(path, env);
	if (state !== 'held' && !(state instanceof UnusableLockError && state.isHeld)) return undefined;
	const holder = await holderOf(path);
	return {path, ...(holder && {holder})};
}

/** Returns a LOCKED error (exit status 11) that names the holder. */
export async function lockedError(path: string, what: string): Promise<PgBackError> {
	return new PgBackError('LOCKED', `could not acquire lock for ${display(what)}: ${await describeHolder(path)}`, {
		hint: 'wait for the other run to end: the lock is released when its last process exits',
	});
}

async function describeHolder(path: string): Promise<string> {
	const holder = await holderOf(path);
	return holder
		? `held by process ${holder.pid} on ${display(holder.host)} since ${display(holder.since)}`
		: 'held by another process, or was held a moment ago';
}

/**
 * Retries for two seconds unless the recorded holder is a live process of this host: another run that checks whether the
 * holder is dead has the lock for a moment. Returns undefined when it is still held.
 */
export async function retryWhileStale(path: string, take: () => Promise<Lock | undefined>): Promise<Lock | undefined> {
	for (let tries = 0; ; tries++) {
		const lock = await take();
		if (lock || tries === 100) return lock;
		const holder = await holderOf(path);
		if (holder?.host === hostname() && isAlive(holder.pid)) return undefined;
		await delay(20);
	}
}

export type Holder = {readonly pid: number; readonly host: string; readonly since: string};

async function holderOf(path: string): Promise<Holder | undefined> {
	const text = await readSmallFile(path, 4096).then(
		file => file.bytes.toString(),
		() => '',
	); // released and removed in the meantime
	const [pid, host, since] = text.trim().split(' ');
	return pid && host && since && /^\d{1,9}$/.test(pid) ? {pid: Number(pid), host, since} : undefined;
}

export function isAlive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}

async function isStill(path: string, handle: FileHandle): Promise<boolean> {
	const [held, named] = await Promise.all([handle.stat(), stat(path).catch(() => undefined)]); // removed in the meantime
	return named !== undefined && held.ino === named.ino && held.dev === named.dev;
}

/** The path of flock by PATH, searched only once. */
const flockPrograms = new Map<string, Promise<string>>();

/** Searches flock while its caller waits for something else. */
export function findFlock(env: Environment): void {
	flockProgram(env).catch(() => undefined); // the lock reports it
}

async function flockProgram(env: Environment): Promise<string> {
	const path = env['PATH'] ?? '';
	// As root, do not run a program that another user has put into PATH.
	const program = flockPrograms.get(path) ?? programPath('flock', env, {trusted: true}).then(found => found ?? 'flock');
	flockPrograms.set(path, program);
	return program;
}

async function flock(handle: FileHandle, env: Environment): Promise<boolean> {
	const program = await flockProgram(env);
	return new Promise((resolve, reject) => {
		const child = spawn(program, ['-n', '-x', '3'], {stdio: ['ignore', 'ignore', 'pipe', handle.fd], env});
		let stderr = '';
		child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
		child.once('error', error =>
			reject(
				new PgBackError('FAILED', `could not run flock: ${error.message}`, {
					cause: error,
					hint: 'install util-linux, which provides flock',
				}),
			),
		);
		child.once('close', code => {
			if (code === 0) resolve(true);
			else if (code === 1 && stderr === '') resolve(false);
			else {
				reject(
					new PgBackError(
						'FAILED',
						`could not lock: ${stderr.trim() || `flock ${code === null ? 'was killed by a signal' : `exited with status ${code}`}`}`,
						{
							hint: 'the file system of the backup directory must support locks',
						},
					),
				);
			}
		});
	});
}

/** The file was removed in the meantime, or belongs to another user who will remove it. */
function ignoreRefusal(error: unknown): void {
	if (!['ENOENT', 'EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
}
