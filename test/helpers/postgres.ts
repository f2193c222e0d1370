/** Our own sessions on the servers of cluster.ts. */
import {buildConnection, type Connection} from '../../source/postgres/connection.js';
import {openSession, type Session} from '../../source/postgres/session.js';
import {findPsql} from '../../source/postgres/tools.js';
import type {Cluster} from './cluster.js';

export const never = new AbortController().signal;

export type SessionOn = {readonly user?: string; readonly database?: string; readonly signal?: AbortSignal};

/** Returns a connection as the superuser, or as `user`; it has no secret, so it needs no disposing. */
export async function connectionTo(cluster: Cluster, options: SessionOn = {}): Promise<Connection> {
	const {user, database = 'postgres'} = options;
	return buildConnection({dbname: cluster.connectionString(database), user}, {PATH: process.env['PATH']});
}

/** The caller closes the session. */
export async function sessionOn(cluster: Cluster, options: SessionOn = {}): Promise<Session> {
	const {path} = await findPsql({env: process.env, signal: never});
	const signal = options.signal ?? never;
	return openSession({psql: path, connection: await connectionTo(cluster, options), signal});
}

/** Waits until `check` returns a value other than false or undefined; rejects after `seconds`. */
export async function waitFor<T>(check: () => Promise<T | false | undefined>, what: string, seconds = 20): Promise<T> {
	const end = performance.now() + seconds * 1000;
	for (;;) {
		const value = await check();
		if (value !== false && value !== undefined) return value;
		if (performance.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
		await new Promise(resolve => setTimeout(resolve, 20));
	}
}
