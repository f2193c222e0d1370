import {readdir} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {messageOf} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import {discardPartial, lstatIfThere, partialPattern} from '../lib/files.js';
import {downloadPartPattern, partialDownloadLifetime} from '../stages/partial-download.js';
import type {RunContext} from './context.js';
import {
	describeHeld,
	type Lock,
	lockedError,
	retryWhileStale,
	tryLock,
	tryLockBy,
	UnusableLockError,
} from './file-lock.js';
import {sweepSockets} from './socket-path.js';

/**
 * The locks of one run: one for each directory that it writes to (by which later runs see whose partial files are in
 * use), and for each database another name of that lock while it is being dumped. Children inherit it.
 */
export class RunLocks {
	readonly #tag: string;
	readonly #env: Environment;
	readonly #emit: Emit;
	readonly #onDirectory: (directory: string) => Promise<void>;
	readonly #directories = new Map<string, Promise<Lock>>();
	readonly #warned = new Set<string>();
	readonly #dead = new Set<string>();

	/** `serveStatus` is called with each directory that the run has locked. */
	constructor({tag, env, emit, serveStatus}: Pick<RunContext, 'tag' | 'env' | 'emit' | 'serveStatus'>) {
		this.#tag = tag;
		this.#env = env;
		this.#emit = emit;
		this.#onDirectory = serveStatus ?? (() => Promise.resolve());
	}

	/** Killed runs (six characters each) found in the directories of this one. */
	get dead(): ReadonlySet<string> {
		return this.#dead;
	}

	/**
	 * Must be called before anything is written to the directory of `path`. The first call removes what killed runs left
	 * there.
	 */
	async directoryOf(path: string): Promise<Lock> {
		const directory = dirname(path);
		const known = this.#directories.get(directory);
		if (known) return known;
		const taking = this.#take(directory);
		this.#directories.set(directory, taking);
		try {
			return await taking;
		} catch (error) {
			this.#directories.delete(directory); // a retried job tries again
			throw error;
		}
	}

	/** Locks a database. Throws LOCKED when another run dumps it into this directory. The caller releases. */
	async database(lockPath: string, name: string): Promise<Lock> {
		const lock = await retryWhileStale(lockPath, () => this.#tryName(lockPath));
		if (lock) return lock;
		throw await lockedError(lockPath, name);
	}

	/**
	 * Locks the record of an upload or a download, so that two runs do not both resume it. Returns undefined when another
	 * run holds it. The caller releases.
	 */
	async record(record: string): Promise<Lock | undefined> {
		const path = record.replace(/json$/, 'lock');
		return retryWhileStale(path, () => this.#tryName(path));
	}

	/**
	 * Takes a lock for short work that every run does (the globals, the server's files), waiting for other runs, so that
	 * two runs started in the same second do not choose the same name. Throws LOCKED after a minute. The caller releases.
	 */
	async turn(lockPath: string, what: string, signal: AbortSignal): Promise<Lock> {
		for (const end = performance.now() + 60_000; performance.now() < end;) {
			const lock = await this.#tryName(lockPath);
			if (lock) return lock;
			await delay(50, undefined, {signal});
		}
		throw await lockedError(lockPath, what);
	}

	/** Releases the locks of all directories, including those that are still being taken. */
	async release(): Promise<void> {
		const taken = await Promise.allSettled(this.#directories.values());
		this.#directories.clear();
		for (const lock of taken) if (lock.status === 'fulfilled') await lock.value.release();
	}

	async #tryName(path: string): Promise<Lock | undefined> {
		const held = await this.directoryOf(path);
		try {
			return await tryLockBy(held, path, this.#env);
		} catch (error) {
			if (!(error instanceof UnusableLockError)) throw error;
			if (error.isHeld) return undefined;
			// Left by another user, or planted: it must not prevent every later backup.
			this.#warnOnce(`${error.message}: continuing without it`);
			return {path, descriptor: held.descriptor, release: async () => undefined};
		}
	}

	#warnOnce(text: string): void {
		if (this.#warned.has(text)) return;
		this.#warned.add(text);
		this.#emit({type: 'log', level: 'warn', text: display(text)});
	}

	async #take(directory: string): Promise<Lock> {
		const path = join(directory, lockName(this.#tag));
		// Only a run that checks whether we are dead can hold it, for a moment.
		const lock = await retryWhileStale(path, () => tryLock(path, this.#env));
		if (lock === undefined) throw await lockedError(path, directory);
		await this.#sweepAll(directory).catch((error: unknown) =>
			this.#warnOnce(`could not remove the files that earlier runs left in ${directory}: ${messageOf(error)}`),
		);
		await this.#onDirectory(directory);
		return lock;
	}

	/** A file of another user in a sticky directory cannot be removed. */
	async #discard(path: string): Promise<void> {
		try {
			await discardPartial(path);
			this.#emit({type: 'log', level: 'info', text: `removed ${path}: left by a run that was killed`});
		} catch (error) {
			this.#warnOnce(`could not remove ${path}: ${messageOf(error)}`);
		}
	}

	async #sweepAll(directory: string): Promise<void> {
		await this.#sweep(directory);
		await this.#sweepDownloads(directory);
		await sweepSockets(directory, tag =>
			lstatIfThere(join(directory, lockName(tag))).then(stats => stats === undefined),
		);
	}

	/** Removes our interrupted downloads that did not continue for long. */
	async #sweepDownloads(directory: string): Promise<void> {
		for (const name of (await readdir(directory)).filter(one => downloadPartPattern.test(one))) {
			const path = join(directory, name);
			const stats = await lstatIfThere(path);
			if (!stats || stats.uid !== process.geteuid?.() || Date.now() - stats.mtimeMs < partialDownloadLifetime) continue;
			await discardPartial(path);
			const days = Math.round(partialDownloadLifetime / 86_400_000);
			const text = `removed ${path}: of a download that was interrupted more than ${days} days ago`;
			this.#emit({type: 'log', level: 'info', text});
		}
	}

	/** Removes the partial files of dead runs: those with a lock that can be taken. */
	async #sweep(directory: string): Promise<void> {
		const byRun = new Map<string, string[]>();
		for (const name of await readdir(directory)) {
			const tag = partialPattern.exec(name)?.[1] ?? lockPattern.exec(name)?.[1];
			if (tag === undefined || tag === this.#tag) continue;
			byRun.set(tag, [...(byRun.get(tag) ?? []), ...(partialPattern.test(name) ? [name] : [])]);
		}
		for (const [tag, names] of byRun) {
			const path = join(directory, lockName(tag));
			const lock = await tryStaleLock(path, this.#env).catch((error: unknown) => {
				if (!(error instanceof UnusableLockError)) throw error;
				this.#warnOnce(`${error.message}: the files of its run are kept`);
			});
			if (!lock) continue; // that run is alive, or belongs to another user
			this.#dead.add(tag);
			try {
				for (const name of names) await this.#discard(join(directory, name));
			} finally {
				await lock.release();
			}
		}
	}
}

/** Returns true while a process of that run is alive, by its directory lock. */
export async function runIsAlive(directory: string, tag: string, env: Environment): Promise<boolean> {
	const path = join(directory, lockName(tag));
	if ((await lstatIfThere(path)) === undefined) return false;
	try {
		const lock = await tryStaleLock(path, env);
		await lock?.release();
		return lock === undefined;
	} catch (error) {
		if (error instanceof UnusableLockError) return error.isHeld;
		throw error;
	}
}

/**
 * Takes the directory lock of another run, which is free when that run is dead. Other runs do the same check and hold
 * it for a moment.
 */
async function tryStaleLock(path: string, env: Environment): Promise<Lock | undefined> {
	return retryWhileStale(path, () => tryLock(path, env, {sign: false}));
}

export const lockPattern = /^\.pg_back-([a-z0-9]{6})\.lock$/;

/** Returns the name of a run's lock in each directory that it writes to. */
export function lockName(tag: string): string {
	return `.pg_back-${tag}.lock`;
}

/** Returns one line for each dump's lock file that would stop or delay a run in this directory: held, or unusable. */
export async function lockReport(directory: string, env: Environment): Promise<readonly string[]> {
	const names = await readdir(directory).catch(() => []); // missing so far, or an error that the run itself reports
	const held = names.filter(name => name.endsWith('.lock') && !name.startsWith('.')).toSorted();
	const lines = await Promise.all(held.map(async name => describeHeld(join(directory, name), env)));
	return lines.filter(line => line !== undefined);
}
