/** Computes planner statistics of all tables of a restored database, over several connections. */
import type {Session} from '../postgres/session.js';

/** `onTable` is called with the number of finished tables. The sessions stay open. */
export async function analyzeTables(
	sessions: readonly Session[],
	onTable: (done: number, all: number) => void,
): Promise<void> {
	const [first] = sessions;
	if (!first) return;
	const rows = await first.query(
		`select pg_catalog.format('%I.%I', n.nspname, c.relname)
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
		order by c.relpages desc, 1`,
	);
	const waiting = rows.map(([name]) => name ?? '');
	const all = waiting.length;
	const work = async (session: Session) => {
		for (let table = waiting.shift(); table !== undefined; table = waiting.shift()) {
			await session.query(`analyze ${table}`, {timeout: 0});
			onTable(all - waiting.length, all);
		}
	};
	await Promise.all(sessions.map(work));
}
