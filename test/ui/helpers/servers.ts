/** Servers of a fleet, made up: good ones, old ones, failed ones, running ones and lost ones, with hostile names among them. */
import type {ServerView} from '../../../source/core/fleet.js';

const hour = 3600;

export function okServer(server: string, more: Partial<ServerView> = {}): ServerView {
	return {
		server,
		verdict: 'ok',
		reasons: [],
		host: `${server}.example.org`,
		serverVersion: '17.2',
		databases: [
			{
				database: 'orders',
				age: 7 * hour,
				bytes: 8_600_000_000,
				seconds: 600,
				where: `s3://backups/ ${server}/orders_2026-11-22T02:00:03Z.dump`,
				proven: 2 * 24 * hour,
			},
			{database: 'app', age: 6 * hour, bytes: 3_600_000, seconds: 6, proven: 30 * 24 * hour},
		],
		last: {age: 6 * hour, exitCode: 0, outcome: 'done'},
		...more,
	};
}

/** Returns `count` servers: every fiftieth has failed, every thirtieth is late, every hundredth runs. */
export function manyServers(count: number): readonly ServerView[] {
	return Array.from({length: count}, (_, index): ServerView => {
		const name = index === 17 ? 'db17-数据仓库-\u001B[31m' : `db${String(index).padStart(4, '0')}`;
		const server = okServer(name);
		if (index % 50 === 3) {
			const [first] = server.databases;
			return {
				...server,
				verdict: 'failed',
				reasons: ['last backup: exit status 12', 'no good dump of billing_of_the_western_region'],
				last: {age: 2 * hour, exitCode: 12, outcome: 'failed'},
				databases: [
					...(first ? [{...first, age: 41 * hour}] : []),
					{database: 'billing_of_the_western_region', bytes: 0, seconds: 0, error: 'DUMP_FAILED'},
				],
			};
		}
		if (index % 50 === 33)
			return {server: name, verdict: 'failed', reasons: ['never reported'], lost: 'never reported', databases: []};
		if (index % 30 === 5)
			return {
				...server,
				verdict: 'warning',
				reasons: ['oldest good dump is older than 24h'],
				databases: server.databases.map(one => ({...one, age: 25 * hour})),
			};
		return index % 100 === 8 ? {...server, running: {age: 3 * hour, progress: 0.61, estimated: true}} : server;
	});
}
