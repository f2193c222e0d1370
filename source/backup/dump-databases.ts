/** Dumps the databases, with replay paused if the server is a standby. */
import {join} from 'node:path';
import {toPgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {plural} from '../lib/format.js';
import {pauseReplication, type ReplicationPause} from '../postgres/replication.js';
import type {Session} from '../postgres/session.js';
import {downloadBase} from '../repository/remote-keys.js';
import type {RunContext} from '../runs/context.js';
import type {Scheduler, Task} from '../runs/scheduler.js';
import type {Sessions} from './sessions.js';

export type DumpOptions = {
	readonly run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>;
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
	let pause: ReplicationPause | undefined;
	try {
		pause = await pauseReplication({
			session,
			openSession: () => sessions.open(),
			timeoutSeconds: settings.pauseTimeout,
			markerPath: join(downloadBase(settings.backupDirectory), '.pg_back-replication-paused'),
			signal: run.signal,
			log: (level, text) => run.emit({type: 'log', level, text}),
		});
	} catch (error) {
		run.signal.throwIfAborted();
		// Each database reports why it was not dumped.
		scheduler.add(databases.map(task => ({...task, run: () => Promise.reject(toPgBackError(error))})));
		await scheduler.idle();
		return;
	}
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
export async function warnOfPromotion(emit: Emit, sessions: Sessions): Promise<void> {
	try {
		const session = await sessions.open();
		const [[standby] = []] = await session.query('select pg_catalog.pg_is_in_recovery()');
		await session.close();
		if (standby === 't') return;
	} catch {
		return; // the jobs have reported the error of the connection
	}
	emit({type: 'log', level: 'warn', text: 'the standby was promoted during the backup: it is a primary now'});
}
