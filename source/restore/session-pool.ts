/**
 * Sessions on the maintenance database, one for each running job: statements of one must not run in another's
 * transaction.
 */
import type {RestoreTarget} from './restore-target.js';

export type SessionPool = {
	/** Runs `act` with a target that has a session of its own until it ends. */
	readonly use: (act: (target: RestoreTarget) => Promise<void>) => Promise<void>;
	/** Closes the sessions that were opened here. */
	readonly close: () => Promise<void>;
};

/** The first job gets the target's own session, which the caller closes. */
export function createSessionPool(target: RestoreTarget): SessionPool {
	const opened: RestoreTarget[] = [];
	const free = [target];
	return {
		async use(act) {
			let mine = free.pop();
			if (!mine) {
				// It outlives a canceled run, like the first one, because leftovers of the job must be removed.
				const session = await target.open(target.maintenance, new AbortController().signal);
				mine = {...target, session};
				opened.push(mine);
			}
			try {
				await act(mine);
			} finally {
				if (mine.session.alive) free.push(mine);
			}
		},
		async close() {
			await Promise.all(opened.map(({session}) => session.close()));
		},
	};
}
