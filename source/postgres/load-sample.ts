/**
 * Samples the sessions that load dumps: what they copy and which indexes they build. One query, for every version since
 * 10.
 */
import {builtIndex, copiedTable} from './progress-statement.js';
import {literal} from './quote.js';
import type {Row, Session} from './session.js';

/**
 * A session of pg_restore or psql that loads a table or builds an index. Names are `schema.name`; an index without its
 * schema if it has none.
 */
export type LoadSession = {
	readonly database: string;
	/** Bytes and rows are counted since 14. */
	readonly copy?: {readonly table: string; readonly bytes?: number; readonly rows?: number};
	readonly index?: {
		readonly name: string;
		/** As the server reports it: `building index: loading tuples in tree` (since 12). */
		readonly phase?: string;
		/** 0 to 1 of that phase, if the server counts. */
		readonly fraction?: number;
	};
};

/** `applications` are exact application names. */
function sampleQuery(serverVersion: number, applications: readonly string[]): string {
	const [copies, builds] = [serverVersion >= 140_000, serverVersion >= 120_000];
	return `select a.datname::text, pg_catalog.substr(a.query, 1, 300),
			${copies ? 'c.bytes_processed::text, c.tuples_processed::text' : 'null, null'},
			${builds ? 'i.phase, i.blocks_done::text, i.blocks_total::text, i.tuples_done::text, i.tuples_total::text' : 'null, null, null, null, null'}
		from pg_catalog.pg_stat_activity a
			${copies ? "left join pg_catalog.pg_stat_progress_copy c on c.pid = a.pid and c.command = 'COPY FROM'" : ''}
			${builds ? 'left join pg_catalog.pg_stat_progress_create_index i on i.pid = a.pid' : ''}
		where a.backend_type = 'client backend' and a.application_name in (${applications.map(literal).join(', ')})`;
}

/**
 * Takes one sample. `timeout` is in seconds: when the server does not respond, the session is closed, but not the
 * restore.
 */
export async function takeLoadSample(
	session: Session,
	applications: readonly string[],
	{timeout}: {readonly timeout: number},
): Promise<readonly LoadSession[]> {
	const rows = await session.query(sampleQuery(session.serverVersion, applications), {timeout});
	return rows.flatMap(readSession);
}

function readSession([database, query, bytes, rows, phase, blocks, allBlocks, tuples, allTuples]: Row): LoadSession[] {
	const table = copiedTable(query ?? '');
	if (table) {
		const counted = bytes == null ? {} : {bytes: Number(bytes), rows: Number(rows)};
		return [{database: database ?? '', copy: {table: `${table.schema}.${table.name}`, ...counted}}];
	}
	const index = builtIndex(query ?? '');
	if (index === undefined) return [];
	const fraction = shareOf(tuples, allTuples) ?? shareOf(blocks, allBlocks);
	return [
		{
			database: database ?? '',
			index: {name: index, ...(phase != null && {phase}), ...(fraction !== undefined && {fraction})},
		},
	];
}

function shareOf(done: string | null | undefined, all: string | null | undefined): number | undefined {
	return all == null || Number(all) === 0 ? undefined : Math.min(1, Number(done) / Number(all));
}
