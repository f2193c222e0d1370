/** Advisory locks that restores and drills hold while they are active: what belongs to a free one was left. */
import {createHash} from 'node:crypto';
import type {Session} from '../postgres/session.js';

/** The two halves of a lock's key, each a signed integer of 32 bits. */
export type LockKey = readonly [number, number];

/** The lock of a restore, by its tag: the six characters as a number, 36^6 of them, around zero. */
export function restoreLock(tag: string): LockKey {
	return [0x7067_626b, Number.parseInt(tag, 36) - 2 ** 31]; // pgbk
}

/** The lock of a drill in a given server. */
export function drillLock(tag: string): LockKey {
	return [1_885_823_588, createHash('sha256').update(`pg_back drill ${tag}`).digest().readInt32BE()];
}

/** Takes the lock until the session ends. Several sessions of one restore hold it: the loss of one does not free it. */
export async function takeLock(session: Session, [first, second]: LockKey): Promise<void> {
	await session.query(`select pg_catalog.pg_advisory_lock_shared(${first}, ${second})`);
}

/** Runs `act` if the lock is free, and holds it meanwhile. Returns false without running it when it is held. */
export async function ifFree(session: Session, key: LockKey, act: () => Promise<void>): Promise<boolean> {
	if (!(await tryLock(session, key))) return false;
	try {
		await act();
		return true;
	} finally {
		if (session.alive) await session.query(`select pg_catalog.pg_advisory_unlock(${key[0]}, ${key[1]})`);
	}
}

/** Locks belong to a database: one that was taken in another database is looked up. */
async function tryLock(session: Session, [first, second]: LockKey): Promise<boolean> {
	const [held] = await session.query(
		`select 1 from pg_catalog.pg_locks where locktype = 'advisory' and classid = ${first >>> 0}::oid
		and objid = ${second >>> 0}::oid and objsubid = 2 and granted and pid <> pg_catalog.pg_backend_pid()`,
	);
	if (held) return false;
	const [row] = await session.query(`select pg_catalog.pg_try_advisory_lock(${first}, ${second})`);
	return row?.[0] === 't';
}
