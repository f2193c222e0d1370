/**
 * Finds sessions that block our dumps, and that wait behind them, from the locks of a sample. Relations are numbers
 * here; names are added later. Pure: uses the samples' own times.
 */
import type {RelationLock, ServerSample} from '../postgres/progress-sample.js';
import {shortStatement} from '../postgres/progress-statement.js';

/** Another session that blocks us, or waits behind us, for one relation. */
export type Contention = {
	readonly relation: number;
	readonly database: string;
	readonly mode: string;
	readonly pid: number;
	readonly user?: string;
	readonly application?: string;
	readonly statement?: string;
	/** Seconds. */
	readonly waiting: number;
};

export type JobLocks = {
	/** Sessions that hold what we wait for, or are before us in the queue. */
	readonly blockedBy: readonly Contention[];
	/** Sessions that wait behind us. */
	readonly blocking: readonly Contention[];
};

/** A dump takes ACCESS SHARE, with which only this mode conflicts. */
const conflicting = 'AccessExclusiveLock';

/** Measures since when each wait is observed, which the server reports only since 14. */
export class LockWatch {
	#since = new Map<string, number>();

	/** `ours`: the job of each session of a dump, by process id. The result is by job. */
	read(sample: ServerSample, ours: ReadonlyMap<number, string>): ReadonlyMap<string, JobLocks> {
		const found = new Map<string, {blockedBy: Contention[]; blocking: Contention[]}>();
		const since = new Map<string, number>();
		const waited = (lock: RelationLock): number => {
			const key = `${lock.pid} ${lock.database} ${lock.relation}`;
			const start = this.#since.get(key) ?? sample.time;
			since.set(key, start);
			return lock.waiting ?? (sample.time - start) / 1000;
		};
		const jobOf = (id: string) => {
			const job = found.get(id) ?? {blockedBy: [], blocking: []};
			found.set(id, job);
			return job;
		};
		for (const locks of byRelation(sample.locks)) {
			const isOurs = (lock: RelationLock) => ours.has(lock.pid);
			const others = locks.filter(lock => !isOurs(lock));
			const exclusive = others.filter(lock => lock.mode === conflicting);
			for (const lock of locks.filter(isOurs)) {
				const id = ours.get(lock.pid) ?? '';
				if (lock.granted) {
					const waiting = others.filter(one => !one.granted && !isOurSession(one));
					const behind = exclusive.some(one => !one.granted) ? waiting : [];
					for (const one of behind) addTo(jobOf(id).blocking, contention(one, waited(one)));
				} else {
					const waiting = waited(lock);
					const holder = exclusive.filter(one => one.granted);
					// Without a holder: a session before us in the queue waits for those that use the table.
					const before = holder.length > 0 ? holder : others.filter(one => one.granted || one.mode === conflicting);
					for (const one of before) addTo(jobOf(id).blockedBy, contention(one, waiting));
				}
			}
		}
		this.#since = since;
		return found;
	}
}

/** Our sessions that read the sizes of tables, or count rows: they give up by themselves. */
function isOurSession({application}: RelationLock): boolean {
	return /^pg_back(?: |$)/.test(application);
}

function contention(lock: RelationLock, waiting: number): Contention {
	const {relation, database, mode, pid, user, application, query} = lock;
	return {
		...{relation, database, mode, pid, waiting},
		...(user !== undefined && {user}),
		...(application !== '' && {application}),
		...(query !== undefined && query !== '' && {statement: shortStatement(query)}),
	};
}

/** Workers of one dump hold the same lock: the other session counts once, with its longest wait. */
function addTo(list: Contention[], one: Contention): void {
	const at = list.findIndex(other => other.pid === one.pid && other.relation === one.relation);
	if (at === -1) list.push(one);
	else if ((list[at]?.waiting ?? 0) < one.waiting) list[at] = one;
}

function byRelation(locks: readonly RelationLock[]): readonly (readonly RelationLock[])[] {
	const groups = new Map<string, RelationLock[]>();
	for (const lock of locks) {
		const key = `${lock.database} ${lock.relation}`;
		groups.set(key, [...(groups.get(key) ?? []), lock]);
	}
	return [...groups.values()];
}

export type GuardOptions = {
	/** Seconds. */
	readonly warnAfter: number;
	readonly onBlocking: 'warn' | 'cancel' | 'requeue';
	/** How often one database is requeued before it is dumped to its end. */
	readonly maxRequeues: number;
};

export type Verdict = {
	/** To be reported now. */
	readonly waiting: readonly Contention[];
	readonly blocking: readonly Contention[];
	readonly action: 'none' | 'cancel' | 'requeue';
};

/** Seconds that a dump may wait for a lock before it is reported, and between two reports. */
const waitNotice = 30;
const repeatAfter = 60;

/** Decides what to report and to do about the locks of the jobs. */
export class LockGuard {
	readonly #options: GuardOptions;
	readonly #reported = new Map<string, number>();
	readonly #requeues = new Map<string, number>();

	constructor(options: GuardOptions) {
		this.#options = options;
	}

	/** `time` is in milliseconds. */
	judge(job: string, locks: JobLocks, time: number): Verdict {
		const {warnAfter, onBlocking, maxRequeues} = this.#options;
		const waiting = locks.blockedBy.some(one => one.waiting >= waitNotice) ? locks.blockedBy : [];
		const blocking = warnAfter > 0 ? locks.blocking.filter(one => one.waiting >= warnAfter) : [];
		const requeues = this.#requeues.get(job) ?? 0;
		const action =
			blocking.length === 0 || onBlocking === 'warn' || (onBlocking === 'requeue' && requeues >= maxRequeues)
				? 'none'
				: onBlocking;
		if (action === 'requeue') this.#requeues.set(job, requeues + 1);
		return {
			waiting: this.#isDue(`waiting ${job}`, waiting.length > 0, time) ? waiting : [],
			blocking: action !== 'none' || this.#isDue(`blocking ${job}`, blocking.length > 0, time) ? blocking : [],
			action,
		};
	}

	#isDue(key: string, present: boolean, time: number): boolean {
		if (!present) {
			this.#reported.delete(key);
			return false;
		}
		if (time - (this.#reported.get(key) ?? Number.NEGATIVE_INFINITY) < repeatAfter * 1000) return false;
		this.#reported.set(key, time);
		return true;
	}
}
