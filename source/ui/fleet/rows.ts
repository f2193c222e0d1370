/** Filters and sorts the servers of the fleet, and the databases of one server. Pure. */
import {type DatabaseView, serverTotals, type ServerView, type Verdict} from '../../core/fleet.js';
import {matcher, nameMatcher} from '../layout/matcher.js';
import type {FleetSort, FleetView, ServerScreenView} from '../view.js';

/** The orders that `s` steps through. */
export const fleetSorts = ['state', 'name', 'age', 'size', 'proven'] as const satisfies readonly FleetSort[];

type Order = Pick<FleetView, 'filter' | 'sort' | 'reverse'>;

/** The latest result, because every frame needs it. */
const latest = new WeakMap<readonly ServerView[], {readonly order: Order; readonly rows: readonly ServerView[]}>();

/** Returns the servers that match the filter, by their own name or that of a database. */
export function fleetRows(servers: readonly ServerView[], {filter, sort, reverse}: Order): readonly ServerView[] {
	const known = latest.get(servers);
	if (known?.order.filter === filter && known.order.sort === sort && known.order.reverse === reverse) return known.rows;
	const passes = nameMatcher(filter);
	const found =
		filter === ''
			? servers
			: servers.filter(view => passes(view.server, ...view.databases.map(({database}) => database)));
	const rows = sorted(found, sort, reverse);
	latest.set(servers, {order: {filter, sort, reverse}, rows});
	return rows;
}

const urgency: Readonly<Record<Verdict, number>> = {failed: 0, warning: 1, ok: 2};

/** Sorts the worst, the oldest or the largest first; equal ones by name. */
function sorted(servers: readonly ServerView[], sort: FleetSort, reverse: boolean): readonly ServerView[] {
	const rank = (view: ServerView): number => {
		const {oldest, bytes, proven} = serverTotals(view);
		if (sort === 'state') return urgency[view.verdict];
		if (sort === 'age') return -(oldest?.age ?? Infinity);
		if (sort === 'size') return -bytes;
		return sort === 'proven' ? -(proven ?? Infinity) : 0;
	};
	const ranked = servers.map(view => ({view, rank: rank(view)}));
	ranked.sort((a, b) => compare(a.rank, b.rank) || compare(a.view.server, b.view.server));
	const rows = ranked.map(({view}) => view);
	return reverse ? rows.toReversed() : rows;
}

function compare<T extends number | string>(a: T, b: T): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns the position of the server under the cursor: the first one until the cursor was moved. */
export function fleetCursor(rows: readonly ServerView[], {selected}: Pick<FleetView, 'selected'>): number {
	return Math.max(
		0,
		rows.findIndex(({server}) => server === selected),
	);
}

/** Returns the databases of a server: those without a good dump first, then the oldest. */
export function databaseRows({databases}: ServerView, {filter}: ServerScreenView): readonly DatabaseView[] {
	const passes = matcher(filter);
	return databases
		.filter(({database}) => passes(database))
		.toSorted((a, b) => compare(-(a.age ?? Infinity), -(b.age ?? Infinity)) || compare(a.database, b.database));
}

export function databaseCursor(rows: readonly DatabaseView[], {selected}: ServerScreenView): number {
	return Math.max(
		0,
		rows.findIndex(({database}) => database === selected),
	);
}
