/**
 * Pauses replay on a standby during the dumps. A dump there fails when replay removes rows that it reads, and hangs
 * forever when replay is paused while holding an exclusive lock, so replay is only paused when no such lock is held.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {messageOf, PgBackError} from '../core/errors.js';
import type {LogLevel} from '../core/events.js';
import {formatDuration} from '../lib/format.js';
import {createPauseMarker, type PauseMarker} from './pause-marker.js';
import type {Session} from './session.js';

export type PauseOptions = {
	readonly session: Session;
	/**
	 * Opens a session to resume replay when the first one is lost; it must not be closed by the signal that stops the
	 * run.
	 */
	readonly openSession: () => Promise<Session>;
	/** Seconds to try; at least one attempt is made, with 0 only one. */
	readonly timeoutSeconds: number;
	/**
	 * The path of the file that records the pause, for the next run after a `kill -9`; a suffix for the server is added.
	 * Its directory must exist.
	 */
	readonly markerPath: string;
	readonly signal: AbortSignal;
	readonly log: (level: LogLevel, text: string) => void;
	/** Milliseconds between attempts, 1,000 by default. */
	readonly interval?: number;
};

export type ReplicationPause = {
	/** Resumes replay, with a new session if necessary; further calls do nothing. Throws PgBackError REPLICATION. */
	readonly resume: () => Promise<void>;
};

/**
 * Pauses replay and waits until it is paused. Returns undefined when there is nothing to resume: on a primary, when
 * replay was already paused, or without the privilege (with a warning). Throws PgBackError REPLICATION after the
 * timeout; then, and when `signal` aborts, replay is resumed.
 */
export async function pauseReplication(options: PauseOptions): Promise<ReplicationPause | undefined> {
	const {session, log} = options;
	/** As in the names of functions. */
	const wal = session.serverVersion >= 100_000 ? 'wal' : 'xlog';
	if (session.serverVersion < 90_100) return undefined;
	const [[inRecovery = null, pauseAllowed = null, resumeAllowed = null] = []] = await session.query(
		`select pg_catalog.pg_is_in_recovery(),
			pg_catalog.has_function_privilege('pg_catalog.pg_${wal}_replay_pause()', 'execute'),
			pg_catalog.has_function_privilege('pg_catalog.pg_${wal}_replay_resume()', 'execute')`,
	);
	if (inRecovery !== 't') return undefined;
	if (pauseAllowed !== 't' || resumeAllowed !== 't') {
		const missing = `execute on functions pg_${wal}_replay_pause() and pg_${wal}_replay_resume()`;
		log(
			'warn',
			`replication is not paused: user ${session.user} lacks ${missing}; a recovery conflict may cancel a dump`,
		);
		return undefined;
	}
	const marker = createPauseMarker(options.markerPath, session);
	const resume = createResume(options, marker, wal);
	if (await isRequested(session, wal)) {
		if (!(await marker.isLeftOver())) {
			await waitForNoLock(options);
			log('warn', 'replication is already paused by another session: it will not be resumed');
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
		await pauseWhereNoLockIsHeld(options, wal);
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

async function isRequested(session: Session, wal: string): Promise<boolean> {
	const [[paused = null] = []] = await session.query(`select pg_catalog.pg_is_${wal}_replay_paused()`);
	return paused === 't';
}

/** Seconds for the pause of a single attempt to take effect: the server reports that a moment after the request. */
const singleAttemptSeconds = 10;

const noLock = `not exists (select 1 from pg_catalog.pg_locks where mode = 'AccessExclusiveLock')`;

async function pauseWhereNoLockIsHeld(options: PauseOptions, wal: string): Promise<void> {
	const {session, timeoutSeconds} = options;
	const attempts = createAttempts(options);
	const effect = timeoutSeconds > 0 ? attempts : createAttempts({...options, timeoutSeconds: singleAttemptSeconds});
	for (;;) {
		const rows = await session.query(
			`select pg_catalog.pg_${wal}_replay_pause() where pg_catalog.pg_is_in_recovery() and ${noLock}`,
		);
		if (rows.length > 0) {
			await waitUntilPaused(options, wal, effect);
			// Replay may have taken a lock between the request and the pause.
			const [[free = null] = []] = await session.query(`select ${noLock}`);
			if (free === 't') return;
			await session.query(`select pg_catalog.pg_${wal}_replay_resume()`);
		}
		await attempts.next('replication not paused because of AccessExclusiveLock');
	}
}

/**
 * Since 14 the server reports when a requested pause is in effect; before that, replay stops after it has applied one
 * more record.
 */
async function waitUntilPaused({session}: PauseOptions, wal: string, attempts: Attempts): Promise<void> {
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
		await attempts.next('a pause of replication was requested and has not taken effect yet', 'debug');
	}
}

async function waitForNoLock(options: PauseOptions): Promise<void> {
	const attempts = createAttempts(options);
	for (;;) {
		const [[free = null] = []] = await options.session.query(`select ${noLock}`);
		if (free === 't') return;
		await attempts.next('replication was paused by another session while it held an AccessExclusiveLock');
	}
}

type Attempts = {
	/** Waits for the next attempt, and logs why, at most every 10 seconds. Throws after the timeout. */
	readonly next: (why: string, level?: LogLevel) => Promise<void>;
};

function createAttempts({timeoutSeconds, signal, log, interval = 1000}: PauseOptions): Attempts {
	const start = performance.now();
	let lastReason = '';
	let loggedAt = -Infinity;
	return {
		async next(why, level = 'warn') {
			const now = performance.now();
			if (now - start >= timeoutSeconds * 1000) {
				throw new PgBackError('REPLICATION', `replication not paused after ${formatDuration(timeoutSeconds)}: ${why}`, {
					hint: 'look for a long transaction with an exclusive lock on the primary, or increase --pause-timeout',
				});
			}
			if (why !== lastReason || now - loggedAt >= 10_000) {
				log(level, why);
				lastReason = why;
				loggedAt = now;
			}
			const remaining = timeoutSeconds * 1000 - (now - start);
			await sleep(Math.min(interval, remaining + 1), undefined, {signal}).catch(() => signal.throwIfAborted());
		},
	};
}

/** Resumes with the existing session, or with new ones while the server restarts. */
function createResume(
	{session, openSession, interval = 1000}: PauseOptions,
	marker: PauseMarker,
	wal: string,
): () => Promise<void> {
	const statement = `select pg_catalog.pg_${wal}_replay_resume() where pg_catalog.pg_is_in_recovery()`;
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
			hint: `run "select pg_${wal}_replay_resume()" on the standby; the next pg_back run tries again`,
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
