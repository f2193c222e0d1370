import {readdir} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import type {Emit} from '../core/events.js';
import {discardPartial, lstatIfThere, partialPattern} from '../lib/files.js';
import type {Environment} from './context.js';
import {afterTheDead, lockedError, tryLock, tryLockBy, type Lock} from './lock.js';

/**
 * The locks of one run: one for each directory that it writes to (which tells later runs whose partial files are still being
 * written), and other names of that one for each database while it is being dumped. Children inherit it.
 */
export class RunLocks {
	readonly #tag: string;
	readonly #env: Environment;
	readonly #emit: Emit;
	readonly #directories = new Map<string, Promise<Lock>>();

	constructor(tag: string, env: Environment, emit: Emit) {
		this.#tag = tag;
		this.#env = env;
		this.#emit = emit;
	}

	/** To be called before anything is written beside `path`. The first time, what dead runs left there is swept. */
	async directoryOf(path: string): Promise<Lock> {
		const directory = dirname(path);
		const known = this.#directories.get(directory);
		if (known) return known;
		const taking = this.#take(directory);
		this.#directories.set(directory, taking);
		return taking;
	}

	/** Throws LOCKED when another run dumps this database into this directory. The caller releases. */
	async database(lockPath: string, name: string): Promise<Lock> {
		const lock = await afterTheDead(lockPath, () => this.#tryName(lockPath));
		if (lock) return lock;
		throw await lockedError(lockPath, name);
	}

	/** The upload that this record is of, so that no two runs go on with it. Undefined when another does. The caller releases. */
	async upload(record: string): Promise<Lock | undefined> {
		const path = record.replace(/json$/, 'lock');
		return afterTheDead(path, () => this.#tryName(path));
	}

	/**
	 * For what is short and every run does (the globals, the server's files): waits its turn, so that two runs which begin in the same
	 * second do not choose the same name. Throws LOCKED after a minute. The caller releases.
	 */
	async turn(lockPath: string, what: string, signal: AbortSignal): Promise<Lock> {
		for (const end = performance.now() + 60_000; performance.now() < end;) {
			const lock = await this.#tryName(lockPath);
			if (lock) return lock;
			await delay(50, undefined, {signal});
		}
		throw await lockedError(lockPath, what);
	}

	async release(): Promise<void> {
		for (const lock of this.#directories.values()) await lock.then(one => one.release());
		this.#directories.clear();
	}

	async #tryName(path: string): Promise<Lock | undefined> {
		return tryLockBy(await this.directoryOf(path), path, this.#env);
	}

	async #take(directory: string): Promise<Lock> {
		const path = join(directory, lockName(this.#tag));
		// Only a sweep that looks whether we are dead can hold it, for a moment.
		const lock = await afterTheDead(path, () => tryLock(path, this.#env));
		if (lock === undefined) throw await lockedError(path, directory);
		await this.#sweep(directory);
		return lock;
	}

	/** Removes the partial files of runs of which no process is left: their lock can be had. */
	async #sweep(directory: string): Promise<void> {
		const byRun = new Map<string, string[]>();
		for (const name of await readdir(directory)) {
			const tag = partialPattern.exec(name)?.[1] ?? lockPattern.exec(name)?.[1];
			if (tag === undefined || tag === this.#tag) continue;
			byRun.set(tag, [...(byRun.get(tag) ?? []), ...(partialPattern.test(name) ? [name] : [])]);
		}
		for (const [tag, names] of byRun) {
			const path = join(directory, lockName(tag));
			const lock = await lockOfTheDead(path, this.#env);
			if (!lock) continue; // that run is alive
			for (const name of names) {
				await discardPartial(join(directory, name));
				this.#emit({
					type: 'log',
					level: 'info',
					text: `removed ${join(directory, name)}: left by a run that was killed`,
				});
			}
			await lock.release();
		}
	}
}

/** True while a process of that run is left, judged by its lock of the directory. */
export async function runIsAlive(directory: string, tag: string, env: Environment): Promise<boolean> {
	const path = join(directory, lockName(tag));
	if ((await lstatIfThere(path)) === undefined) return false;
	const lock = await lockOfTheDead(path, env);
	await lock?.release();
	return lock === undefined;
}

/** The lock of another run's directory, which can be had when that run is dead. Others look too, and have it for a moment. */
async function lockOfTheDead(path: string, env: Environment): Promise<Lock | undefined> {
	return afterTheDead(path, () => tryLock(path, env, {sign: false}));
}

const lockPattern = /^\.pg_back-([a-z0-9]{6})\.lock$/;

function lockName(tag: string): string {
	return `.pg_back-${tag}.lock`;
}
