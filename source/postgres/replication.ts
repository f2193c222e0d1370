/**
 * Pausing replay on a standby for as long as the dumps take. A dump there fails when replay removes what it reads, and hangs for
 * ever when replay is paused while it holds an exclusive lock: so replay is paused only where no such lock is held.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {PgBackError, messageOf} from '../core/errors.js';
import type {LogLevel} from '../core/events.js';
import {formatDuration} from '../lib/format.js';
import {createPauseMarker, type PauseMarker} from './pause-marker.js';
import type {Session} from './session.js';

export type PauseOptions = {
	readonly session: Session;
	/** A new session for resuming when the first is lost; it must not end by the signal that ends the run. */
	readonly openSession: () => Promise<Session>;
	/** Seconds to try; at least one attempt is made. */
	readonly timeoutSeconds: number;
	/**
	 * Where a file says that we have paused, for the run that comes after a `kill -9`; a suffix for the server is added. Its
	 * directory must exist.
	 */
	readonly markerPath: string;
	readonly signal: AbortSignal;
	readonly log: (level: LogLevel, text: string) => void;
	/** Milliseconds between attempts, 1,000 unless given. */
	readonly interval?: number;
};

export type ReplicationPause = {
	/** Resumes, by a new session if need be; again has no effect. Throws PgBackError REPLICATION. */
	readonly resume: () => Promise<void>;
};

/**
 * Pauses replay and waits until it is paused. Undefined when there is nothing to resume: on a primary, where somebody else has
 * paused already, or without the right to (a warning says so). Throws PgBackError REPLICATION after the timeout; on this way
 * out, and when `signal` ends it, replay is resumed.
 */
export async function pauseReplication(options: PauseOptions): Promise<ReplicationPause | undefined> {
	const {session, log} = options;
	const words = session.serverVersion >= 100_000 ? 'wal' : 'xlog';
	if (session.serverVersion < 90_100) return undefined;
	const [[inRecovery = null, pauseAllowed = null, resumeAllowed = null] = []] = await session.query(
		`select pg_catalog.pg_is_in_recovery(),
			pg_catalog.has_function_privilege('pg_catalog.pg_${words}_replay_pause()', 'execute'),
			pg_catalog.has_function_privilege('pg_catalog.pg_${words}_replay_resume()', 'execute')`,
	);
	if (inRecovery !== 't') return undefined;
	if (pauseAllowed !== 't' || resumeAllowed !== 't') {
		const missing = `execute on functions pg_${words}_replay_pause() and pg_${words}_replay_resume()`;
		log(
			'warn',
			`replication is not paused: user ${session.user} lacks ${missing}; a recovery conflict may cancel a dump`,
		);
		return undefined;
	}
	const marker = createPauseMarker(options.markerPath, session);
	const resume = createResume(options, marker, words);
	if (await isRequested(session, words)) {
		if (!(await marker.isLeftOver())) {
			await waitForNoLock(options);
			log('warn', 'replication is paused already, by somebody else: it will not be resumed');
			return undefined;
		}
		log('warn', 'replication is still paused by a run that was killed: resuming it');
		await resume();
	}
	log('info', 'pausing replication');
	const resumeOnce = onlyOnce(async () => {
		log('info', 'resuming replication');
		await resume();
	});
	try {
		await marker.write();
		await pauseWhereNoLockIsHeld(options, words);
	} catch (error) {
		await resumeOnce();
		throw error;
	}
	log('info', 'replication paused');
	return {resume: resumeOnce};
}

function onlyOnce(work: () => Promise<void>): () => Promise<void> {
	let done: Promise<void> | undefined;
	return () => (done ??= work());
}

async function isRequested(session: Session, words: string): Promise<boolean> {
	const [[paused = null] = []] = await session.query(`select pg_catalog.pg_is_${words}_replay_paused()`);
	return paused === 't';
}

const noLock = `not exists (select 1 from pg_catalog.pg_locks where mode = 'AccessExclusiveLock')`;

async function pauseWhereNoLockIsHeld(options: PauseOptions, words: string): Promise<void> {
	const {session} = options;
	const attempts = createAttempts(options);
	for (;;) {
		const rows = await session.query(
			`select pg_catalog.pg_${words}_replay_pause() where pg_catalog.pg_is_in_recovery() and ${noLock}`,
		);
		if (rows.length > 0) {
			await waitUntilPaused(options, words, attempts);
			// Replay may have taken a lock between the request and the pause.
			const [[free = null] = []] = await session.query(`select ${noLock}`);
			if (free === 't') return;
			await session.query(`select pg_catalog.pg_${words}_replay_resume()`);
		}
		await attempts.next('replication not paused because of AccessExclusiveLock');
	}
}

/** From 14 on the server says when a requested pause has come; before, replay stands still once it has applied one record more. */
async function waitUntilPaused({session}: PauseOptions, words: string, attempts: Attempts): Promise<void> {
	let before: string | null | undefined;
	for (;;) {
		if (session.serverVersion >= 140_000) {
			const [[state = null] = []] = await session.query('select pg_catalog.pg_get_wal_replay_pause_state()');
			if (state === 'paused') return;
		} else {
			const lsn = session.serverVersion >= 100_000 ? 'pg_last_wal_replay_lsn' : 'pg_last_xlog_replay_location';
			const [[now = null] = []] = await session.query(`select pg_catalog.${lsn}()`);
			if (now === before) return;
			before = now;
		}
		await attempts.next('replication is asked to pause and has not paused yet', 'debug');
	}
}

async function waitForNoLock(options: PauseOptions): Promise<void> {
	const attempts = createAttempts(options);
	for (;;) {
		const [[free = null] = []] = await options.session.query(`select ${noLock}`);
		if (free === 't') return;
		await attempts.next('replication was paused by somebody else while it held an AccessExclusiveLock');
	}
}

type Attempts = {
	/** Waits for the next attempt; says why, at most every 10 seconds. Throws when the time is over. */
	readonly next: (why: string, level?: LogLevel) => Promise<void>;
};

function createAttempts({timeoutSeconds, signal, log, interval = 1000}: PauseOptions): Attempts {
	const start = performance.now();
	let lastSaid = '';
	let saidAt = -Infinity;
	return {
		async next(why, level = 'warn') {
			const now = performance.now();
			if (now - start >= timeoutSeconds * 1000) {
				throw new PgBackError('REPLICATION', `replication not paused after ${formatDuration(timeoutSeconds)}: ${why}`, {
					hint: 'look for a long transaction with an exclusive lock on the primary, or give more time with --pause-timeout',
				});
			}
			if (why !== lastSaid || now - saidAt >= 10_000) {
				log(level, why);
				lastSaid = why;
				saidAt = now;
			}
			const remaining = timeoutSeconds * 1000 - (now - start);
			await sleep(Math.min(interval, remaining + 1), undefined, {signal}).catch(() => signal.throwIfAborted());
		},
	};
}

/** Resumes by the session that is there, or by new ones while the server comes back. */
function createResume(
	{session, openSession, interval = 1000}: PauseOptions,
	marker: PauseMarker,
	words: string,
): () => Promise<void> {
	const statement = `select pg_catalog.pg_${words}_replay_resume() where pg_catalog.pg_is_in_recovery()`;
	return async () => {
		let last: unknown;
		for (let attempt = 0; attempt < 5; attempt++) {
			if (attempt > 1) await sleep(interval * attempt);
			try {
				if (attempt === 0) await session.query(statement, {timeout: 30});
				else await withSession(openSession, fresh => fresh.query(statement, {timeout: 30}));
				await marker.remove();
				return;
			} catch (error) {
				last = error;
			}
		}
		throw new PgBackError('REPLICATION', `replication could not be resumed: ${messageOf(last)}`, {
			cause: last,
			hint: `run "select pg_${words}_replay_resume()" on the standby; the next run of pg_back tries again`,
		});
	};
}

async function withSession<T>(open: () => Promise<Session>, work: (session: Session) => Promise<T>): Promise<T> {
	const session = await open();
	try {
		return await work(session);
	} finally {
		await session.close();
	}
}
