/**
 * Records what a test needs to replay a run through the estimators: when each dump started and ended, what it had to
 * read, and the samples of it.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import type {RunEvent} from '../../source/core/events.js';
import {type DumpSession, takeSample} from '../../source/postgres/progress-sample.js';
import type {Session} from '../../source/postgres/session.js';
import type {TableFacts} from '../../source/progress/tables.js';

export type RecordedSample = {
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly sessions: readonly DumpSession[];
};

/** Samples all sessions of a run's dumps once per second, until `signal` aborts. */
export async function watchRun(session: Session, signal: AbortSignal): Promise<RecordedSample[]> {
	const samples: RecordedSample[] = [];
	while (!signal.aborted) {
		await sleep(1000, undefined, {signal}).catch(() => undefined); // it is stopping
		const names = await session.query(
			"select distinct application_name from pg_catalog.pg_stat_activity where application_name ~ '^pg_back .+ '",
		);
		const applications = names.flatMap(([name]) => name ?? []);
		if (applications.length === 0) continue;
		const {time, sessions} = await takeSample(session, applications, {now: Date.now, timeout: 10});
		samples.push({time, sessions});
	}
	return samples;
}

export type RunParts = {
	readonly concurrency: number;
	readonly events: readonly RunEvent[];
	readonly samples: readonly RecordedSample[];
	readonly tables: ReadonlyMap<string, readonly TableFacts[]>;
	/** pg_database_size. */
	readonly sizes: ReadonlyMap<string, number>;
};

/** Converts times to milliseconds since the first dump; the databases are in the order of dumping. */
export function printRun({concurrency, events, samples, tables, sizes}: RunParts): string {
	const prefix = 'database:';
	const started = events.flatMap(event =>
		event.type === 'job.started' && event.job.startsWith(prefix) ? [{name: event.job.slice(prefix.length), event}] : [],
	);
	const zero = Math.min(...started.map(({event}) => event.time));
	const dumps = started.map(({name, event}) => {
		const job = event.job;
		const dumped = events.find(one => one.type === 'stage.finished' && one.job === job && one.stage === 'dump');
		const finished = events.find(one => one.type === 'job.finished' && one.job === job);
		return {
			name,
			size: sizes.get(name) ?? 0,
			started: event.time - zero,
			dumped: (dumped?.time ?? 0) - zero,
			bytes: dumped?.type === 'stage.finished' ? (dumped.bytesOut ?? 0) : 0,
			finished: (finished?.time ?? 0) - zero,
			tables: (tables.get(name) ?? []).map(({oid, name: table, bytes, toastBytes, pages, rows}) => [
				...[oid, table, bytes, toastBytes, pages],
				...(rows === undefined ? [] : [rows]),
			]),
		};
	});
	const shifted = samples.map(({time, sessions}) => ({
		time: time - zero,
		sessions: sessions.map(({query, ...rest}) => ({...rest, ...(query !== undefined && {query: query.slice(0, 80)})})),
	}));
	const lines = [...shifted.map(sample => JSON.stringify(sample))].join(',\n');
	return `{"concurrency":${concurrency},"dumps":[\n${dumps.map(dump => JSON.stringify(dump)).join(',\n')}],\n"samples":[\n${lines}]}\n`;
}
