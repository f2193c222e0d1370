/** Holds pg_dump while more of its dump waits on this disk than `spool_limit` allows. */
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {formatBytes, formatDuration} from '../lib/format.js';
import type {Child} from '../process/child.js';
import {type HoldGuard, startHoldGuard} from '../process/hold-guard.js';
import {areStopped} from '../process/open-files.js';
import type {Spool} from './spool.js';

export type SpoolState = {
	/** Bytes on this disk. */
	readonly bytes: number;
	readonly limit: number;
	/** There are members that pg_dump has finished: the upload makes room. */
	readonly canShip: boolean;
	readonly isHeld: boolean;
	/** All processes were stopped before `canShip` was determined. */
	readonly isStopped: boolean;
};

/** Below this part of the limit pg_dump continues, so that it does not stop and go for each member. */
const lowWater = 0.75;

/** Returns whether pg_dump is to be held. It never is when only what it still writes is left: that would last forever. */
export function shouldHold({bytes, limit, canShip, isHeld, isStopped}: SpoolState): boolean {
	if (!isHeld) return bytes > limit && canShip;
	if (bytes <= limit * lowWater) return false;
	return canShip || !isStopped;
}

export type HoldOptions = {
	readonly child: Child;
	readonly env: Environment;
	readonly spool: Spool;
	/** For messages: `pg_dump of orders`. */
	readonly what: string;
};

export class Hold {
	readonly #options: HoldOptions;
	#guard: HoldGuard | undefined;
	#since: number | undefined;
	#wasHeld = false;
	#total = 0;

	constructor(options: HoldOptions) {
		this.#options = options;
	}

	get isHeld(): boolean {
		return this.#since !== undefined;
	}

	async isStopped(): Promise<boolean> {
		const {pid} = this.#options.child;
		return this.isHeld && pid !== undefined && (await areStopped(pid));
	}

	/**
	 * Holds pg_dump, or lets it continue. The signals are sent at each call, whatever was sent before: a process that was
	 * just being started, or that another process has continued, is stopped by the next call. Throws DUMP_FAILED when one
	 * hold takes too long.
	 */
	async set(hold: boolean, bytes: number): Promise<void> {
		const {child, spool, what} = this.#options;
		if (!hold) {
			this.#account();
			if (this.#wasHeld) child.release();
			return;
		}
		if (!this.#guard?.isAlive() && child.pid !== undefined)
			this.#guard = await startHoldGuard(child.pid, this.#options.env);
		child.hold();
		if (this.#since === undefined) {
			const more = this.#wasHeld ? '' : '; its snapshot stays open';
			const text = `${what} is held: ${formatBytes(bytes)} wait for the upload${more}`;
			spool.log(this.#wasHeld ? 'debug' : 'warn', text);
			this.#since = performance.now();
			this.#wasHeld = true;
		}
		const stalled = Math.min(performance.now() - this.#since, spool.stalledFor());
		if (stalled <= spool.longestHold) return;
		throw new PgBackError(
			'DUMP_FAILED',
			`${what} was held for ${formatDuration(stalled / 1000)} without progress of the upload`,
			{
				hint: 'check why the remote location accepts no data, or raise spool_limit; a retry dumps again',
			},
		);
	}

	/** Ends the guard. pg_dump has exited, or is about to be stopped for good. */
	async end(): Promise<void> {
		const {spool, what} = this.#options;
		this.#account();
		if (this.#wasHeld) spool.log('info', `${what} was held for ${formatDuration(this.#total / 1000)} in total`);
		this.#wasHeld = false;
		await this.#guard?.end();
		this.#guard = undefined;
	}

	#account(): void {
		if (this.#since === undefined) return;
		this.#total += performance.now() - this.#since;
		this.#since = undefined;
	}
}
