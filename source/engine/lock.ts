/**
 * Locks that the kernel holds: gone when we die, kept until the last child that inherited the descriptor is gone. Node has no
 * flock(2); flock(1) locks our own open file through an inherited descriptor, and exits.
 */
import {spawn} from 'node:child_process';
import {constants} from 'node:fs';
import {open, stat, unlink, type FileHandle} from 'node:fs/promises';
import {hostname} from 'node:os';
import {PgBackError} from '../core/errors.js';
import {makeParents} from '../lib/files.js';
import {display} from '../lib/display.js';

export type Lock = {
	/** To be inherited by children. */
	readonly descriptor: number;
	/** Removes the file and frees the lock (children that inherited it keep it). */
	readonly release: () => Promise<void>;
};

/** Undefined when another process holds it. */
export async function tryLock(
	path: string,
	env: Readonly<Record<string, string | undefined>>,
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
				await handle.truncate();
				await handle.write(`${process.pid} ${hostname()} ${new Date().toISOString()}\n`, 0);
				return {
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

/** The lock, or LOCKED (exit status 11) that says who holds it. */
export async function lockOrThrow(
	path: string,
	what: string,
	env: Readonly<Record<string, string | undefined>>,
): Promise<Lock> {
	const lock = await tryLock(path, env);
	if (lock) return lock;
	throw new PgBackError('LOCKED', `could not acquire lock for ${display(what)}: ${await holderOf(path)}`, {
		hint: 'wait for the other run to end; the lock goes with its last process',
	});
}

async function holderOf(path: string): Promise<string> {
	const handle = await open(path, 'r').catch(() => undefined); // freed and removed meanwhile
	if (!handle) return 'another run held it a moment ago';
	try {
		const [pid, host, since] = (await handle.readFile('utf8')).trim().split(' ');
		return pid && host && since
			? `held by process ${pid} on ${display(host)} since ${since}`
			: `${path} is held by another process`;
	} finally {
		await handle.close();
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
