/**
 * Locks that the kernel holds: gone when we die, kept until the last child that inherited the descriptor is gone. Node has no
 * flock(2); flock(1) locks our own open file through an inherited descriptor, and exits.
 */
import {spawn} from 'node:child_process';
import {constants} from 'node:fs';
import {link, open, readFile, stat, unlink, type FileHandle} from 'node:fs/promises';
import {hostname} from 'node:os';
import {setTimeout as delay} from 'node:timers/promises';
import {PgBackError} from '../core/errors.js';
import {lacksHardLinks, makeParents} from '../lib/files.js';
import {display} from '../lib/display.js';

export type Lock = {
	readonly path: string;
	/** To be inherited by children. */
	readonly descriptor: number;
	/** Removes the file and frees the lock (children that inherited it keep it). */
	readonly release: () => Promise<void>;
};

/**
 * Undefined when another process holds it. Who only looks whether the holder is dead does not `sign`: the file may have other names, at
 * which somebody would take us for its holder.
 */
export async function tryLock(
	path: string,
	env: Readonly<Record<string, string | undefined>>,
	{sign = true}: {readonly sign?: boolean} = {},
): Promise<Lock | undefined> {
	await makeParents(path);
	for (;;) {
		const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
		let ours = false;
		try {
			if (!(await flock(handle, env))) {
				await handle.close();
				return undefined;
			}
			// Whoever held it before may have removed the name between our open and our lock: then it guards nothing.
			ours = await isStill(path, handle);
			if (ours) {
				if (sign) {
					await handle.truncate();
					await handle.write(`${process.pid} ${hostname()} ${new Date().toISOString()}\n`, 0);
				}
				return {
					path,
					descriptor: handle.fd,
					async release() {
						await unlink(path).catch(ignoreMissing);
						await handle.close();
					},
				};
			}
		} catch (error) {
			if (ours) await unlink(path).catch(ignoreMissing); // a full disk
			await handle.close();
			throw error;
		}
		await handle.close();
	}
}

/**
 * Another name for a lock that is held: the kernel locks files, not names, so whoever tries this name meets that lock. Costs no
 * process. Undefined when another process holds the name. Releasing it leaves the first one held.
 */
export async function tryLockBy(
	held: Lock,
	path: string,
	env: Readonly<Record<string, string | undefined>>,
): Promise<Lock | undefined> {
	for (;;) {
		try {
			await link(held.path, path);
			return {path, descriptor: held.descriptor, release: () => unlink(path).catch(ignoreMissing)};
		} catch (error) {
			if (lacksHardLinks(error)) return tryLock(path, env);
			if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
		}
		const left = await tryLock(path, env, {sign: false}); // by a run that was killed
		if (!left) return undefined;
		await left.release();
	}
}

/** LOCKED (exit status 11), says who holds it. */
export async function lockedError(path: string, what: string): Promise<PgBackError> {
	const holder = await holderOf(path);
	const text = holder
		? `held by process ${holder.pid} on ${display(holder.host)} since ${holder.since}`
		: 'another process holds it, or did a moment ago';
	return new PgBackError('LOCKED', `could not acquire lock for ${display(what)}: ${text}`, {
		hint: 'wait for the other run to end; the lock goes with its last process',
	});
}

/** `take` again for two seconds while the holder is a dead process of this host: whoever sweeps after it has its lock for a moment. */
export async function afterTheDead(path: string, take: () => Promise<Lock | undefined>): Promise<Lock | undefined> {
	for (let tries = 0; ; tries++) {
		const lock = await take();
		if (lock || tries === 100) return lock;
		const holder = await holderOf(path);
		if (holder?.host === hostname() && isAlive(holder.pid)) return undefined;
		await delay(20);
	}
}

type Holder = {readonly pid: number; readonly host: string; readonly since: string};

async function holderOf(path: string): Promise<Holder | undefined> {
	const text = await readFile(path, 'utf8').catch(() => ''); // freed and removed meanwhile
	const [pid, host, since] = text.trim().split(' ');
	return pid && host && since ? {pid: Number(pid), host, since} : undefined;
}

function isAlive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}

async function isStill(path: string, handle: FileHandle): Promise<boolean> {
	const [held, named] = await Promise.all([handle.stat(), stat(path).catch(() => undefined)]); // removed meanwhile
	return named !== undefined && held.ino === named.ino && held.dev === named.dev;
}

function flock(handle: FileHandle, env: Readonly<Record<string, string | undefined>>): Promise<boolean> {
	return new Promise((resolve, reject) => {
		const child = spawn('flock', ['-n', '-x', '3'], {stdio: ['ignore', 'ignore', 'pipe', handle.fd], env});
		let stderr = '';
		child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
		child.once('error', error =>
			reject(
				new PgBackError('FAILED', `could not run flock: ${error.message}`, {
					cause: error,
					hint: 'install util-linux, which has flock',
				}),
			),
		);
		child.once('close', code => {
			if (code === 0) resolve(true);
			else if (code === 1 && stderr === '') resolve(false);
			else {
				reject(
					new PgBackError('FAILED', `could not lock: ${stderr.trim() || `flock ended with ${code ?? 'a signal'}`}`, {
						hint: 'the file system of the backup directory must support locks',
					}),
				);
			}
		});
	});
}

function ignoreMissing(error: unknown): void {
	if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
