/**
 * Sessions on the maintenance database, one for each running job: statements of one must not run in another's
 * transaction.
 */
import type {Session} from '../postgres/session.js';
import {type LockKey, takeLock} from './restore-locks.js';
import type {RestoreTarget} from './restore-target.js';

export type SessionPool = {
	/**
	 * Runs `act` with a target that has a session of its own until it ends. `renew` returns it with another session if that
	 * one was lost while it was idle.
	 */
	readonly use: (act: (target: RestoreTarget, renew: () => Promise<RestoreTarget>) => Promise<void>) => Promise<void>;
	/** Closes the sessions that were opened here. */
	readonly close: () => Promise<void>;
};

/** The first job gets the target's own session, which the caller closes. The others take the lock, too. */
export function createSessionPool(target: RestoreTarget, lock: LockKey): SessionPool {
	const opened: Session[] = [];
	const free = [target];
	const open = async (): Promise<RestoreTarget> => {
		// It outlives a canceled run, like the first one, because leftovers of the job must be removed.
		const session = await target.open(target.maintenance, new AbortController().signal);
		opened.push(session);
		await takeLock(session, lock);
		return {...target, session};
	};
	const isUsable = async ({session}: RestoreTarget): Promise<boolean> => {
		try {
			await session.query('select 1');
			return true;
		} catch (error) {
			if (session.alive) throw error;
			return false;
		}
	};
	return {
		async use(act) {
			let mine = free.pop() ?? (await open());
			const renew = async (): Promise<RestoreTarget> => {
				if (!(await isUsable(mine))) mine = await open();
				return mine;
			};
			try {
				await act(mine, renew);
			} finally {
				if (mine.session.alive) free.push(mine);
			}
		},
		async close() {
			await Promise.all(opened.map(async session => session.close()));
		},
	};
}
