/** Dumps the databases, with replay paused if the server is a standby. */
import {join} from 'node:path';
import {toPgBackError} from '../core/errors.js';
import {plural} from '../lib/format.js';
import {pauseReplication} from '../postgres/replication.js';
import type {Session} from '../postgres/session.js';
import {downloadBase} from '../repository/remote-keys.js';
import type {RunContext} from '../runs/context.js';
import type {Scheduler, Task} from '../runs/scheduler.js';
import type {Sessions} from './sessions.js';

export type DumpOptions = {
	readonly run: RunContext;
	readonly sessions: Sessions;
	/** The control connection. */
	readonly session: Session;
	readonly scheduler: Scheduler;
};

/** Dumps the databases. On a standby replay is paused, so that pg_dump cannot wait forever for it. */
export async function dumpDatabases(
	{run, sessions, session, scheduler}: DumpOptions,
	databases: readonly Task[],
): Promise<void> {
	if (databases.length === 0) return;
	const {settings} = run.configuration;
	const pausing = pauseReplication({
		session,
		openSession: () => sessions.open(),
		timeoutSeconds: settings.pauseTimeout,
		markerPath: join(downloadBase(settings.backupDirectory), '.pg_back-replication-paused'),
		signal: run.signal,
		log: (level, text) => run.emit({type: 'log', level, text}),
	});
	const failure = await pausing.then(
		() => undefined,
		(error: unknown) => toPgBackError(error),
	);
	if (failure) {
		run.signal.throwIfAborted();
		// Each database reports why it was not dumped.
		scheduler.add(databases.map(task => ({...task, run: () => Promise.reject(failure)})));
		await scheduler.idle();
		return;
	}
	const pause = await pausing;
	try {
		run.emit({
			type: 'run.phase',
			phase: 'dumping',
			text: `dumping ${plural(databases.length, 'database')}, ${settings.jobs} at a time`,
		});
		scheduler.concurrency = settings.jobs;
		scheduler.add(databases);
		await scheduler.idle();
	} finally {
		await pause?.resume();
	}
}

/**
 * Warns about a standby that was promoted during the run: the dumps are complete, but the next run may connect to the
 * wrong server.
 */
export async function warnOfPromotion(run: RunContext, sessions: Sessions): Promise<void> {
	const text = await sessions
		.open()
		.then(async session => {
			const [[standby] = []] = await session.query('select pg_catalog.pg_is_in_recovery()');
			await session.close();
			return standby === 't' ? undefined : 'the standby was promoted during the backup: it is a primary now';
		})
		.catch(() => undefined); // the jobs have reported the connection's error
	if (text !== undefined) run.emit({type: 'log', level: 'warn', text});
}
