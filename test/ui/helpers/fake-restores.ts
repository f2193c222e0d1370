/** The part of the fake engine that is about restores: a server with two databases, and a dump with two tables. */
import {loadConfiguration} from '../../../source/config/configuration.js';
import {PgBackError} from '../../../source/core/errors.js';
import type {Emit} from '../../../source/core/events.js';
import type {EngineHandle} from '../../../source/core/handle.js';
import type {RestoreFinding, RestoreResult} from '../../../source/core/restore.js';
import type {DraftsHandle, DumpContents, KeptDraft, RestoreHandle} from '../../../source/core/restore-handle.js';
import type {RunsHandle} from '../../../source/core/runs-handle.js';
import type {Secrets} from '../../../source/core/secrets.js';
import {commandOf} from '../../../source/restore/restore-command.js';

const configuration = await loadConfiguration({
	commandLine: {values: new Map([['noConfigFile', true]]), arguments: []},
	env: {},
});

export type FakeRestoreOptions = {
	readonly wrong: (secrets?: Secrets) => boolean;
	readonly record: (name: string, ...details: unknown[]) => void;
	/** What stands in the way of every plan. */
	readonly findings: readonly RestoreFinding[];
	/** What every restore ends with. */
	readonly failure: PgBackError | undefined;
	/** How often the server does not answer. */
	readonly unreachable: number;
	/** What an earlier console kept. */
	readonly kept: readonly KeptDraft[];
	readonly time: number;
	readonly emit: Emit;
};

type FakeRestores = RestoreHandle &
	DraftsHandle &
	RunsHandle &
	Pick<EngineHandle, 'planRestore' | 'restore' | 'answer'>;

export function fakeRestores(options: FakeRestoreOptions): FakeRestores {
	const {wrong, record, findings, failure, kept, time, emit} = options;
	const answers = new Map<string, (text: string) => void>();
	let {unreachable} = options;
	const opens = (secrets?: Secrets) => {
		if (wrong(secrets)) throw new PgBackError('WRONG_KEY', 'the passphrase does not open it');
	};
	return {
		async dumpsToRestore(location, keys) {
			record('dumpsToRestore', location, keys);
			const dumps = keys.filter(key => key.includes('.dump'));
			if (dumps.length === 0)
				throw new PgBackError('NOTHING_TO_DO', 'there is no dump of a database among the chosen files');
			const databaseOf = (key: string) => key.replace(/_\d{4}-.*$/, '');
			return {
				location,
				label: 's3://backups/prod/',
				run: 'run-1',
				time,
				dumps: dumps.map(key => ({
					...{key, database: databaseOf(key), bytes: 1_900_000_000, format: 'custom'},
					encrypted: key.endsWith('.age'),
				})),
			};
		},
		defaultServer: () => ({host: 'db1', port: 5432, user: 'postgres'}),
		async inspectTarget({host, port}) {
			record('inspectTarget', host, port);
			if (unreachable-- > 0) throw new PgBackError('CONNECTION', `cannot connect to ${host}: connection refused`);
			return {
				label: `${host}:${port || 5432}`,
				version: '15.18',
				systemIdentifier: '7312',
				user: 'postgres',
				superuser: true,
				databases: [
					{name: 'postgres', size: 7_000_000, sessions: 1},
					{name: 'orders', size: 2_000_000_000, sessions: 3},
				],
				roles: ['postgres', 'app'],
				kept: failure === undefined ? [] : ['orders_restored.pgbk-abc123'],
			};
		},
		keptDrafts: () => Promise.resolve(kept),
		async keepDrafts(drafts) {
			record('keepDrafts', drafts);
		},
		async forgetDraft(key) {
			record('forgetDraft', key);
		},
		async contentsOf(location, key, {secrets}) {
			record('contentsOf', location, key, secrets);
			opens(secrets);
			return fakeContents(key);
		},
		async planRestore(request) {
			record('planRestore', request);
			opens(request.secrets);
			return {
				schema: 1,
				source: {
					...{location: 's3://backups/prod/', runId: 'run-1', time: new Date(time).toISOString(), server: '15.18'},
					...{systemIdentifier: '7312', proven: 'proven by a restore of 2026-11-21'},
				},
				target: {label: 'db1:5432', user: 'postgres', superuser: true, version: '15.18', systemIdentifier: '7312'},
				roles: {create: ['reader'], missing: [], differences: []},
				databases: request.databases.map(database => ({
					...{
						database,
						path: `${database}.dump.age`,
						format: 'custom',
						encrypted: true,
						bytes: 1_900_000_000,
						tables: 2,
					},
					...{extensions: [], target: request.into || database, previous: `${database}_before_20261122T100512`},
					mode: request.only ? 'only' : request.replace ? 'replace' : 'create',
					entries: request.only ? [{kind: 'TABLE', schema: 'public', name: 'orders'}] : undefined,
					...{road: 'file', jobs: 2, pgRestore: '15.18'},
				})),
				findings,
				replaced: request.replace ? request.databases : [],
			};
		},
		async restore(request, confirmed) {
			record('restore', request, confirmed);
			if (failure !== undefined) {
				const {code, message, hint, skip} = failure;
				return {
					ended: Promise.resolve({outcome: 'failed', error: {code, message, skip, ...(hint !== undefined && {hint})}}),
				};
			}
			const [name = ''] = request.databases;
			if (!request.replace) return {ended: Promise.resolve({outcome: 'done'})};
			const job = `restore:${name}`;
			emit({
				type: 'run.planned',
				jobs: [{id: job, kind: 'restore', name, stages: ['load', 'rename']}],
				concurrency: 1,
				destinations: [],
			});
			emit({type: 'job.started', job, attempt: 1});
			const {promise, resolve} = Promise.withResolvers<RestoreResult>();
			answers.set(job, text => {
				emit({type: 'job.asked', job});
				const outcome = text === name ? 'done' : 'failed';
				emit({type: 'job.finished', job, outcome});
				resolve({outcome});
			});
			emit({
				type: 'job.asked',
				job,
				question: {kind: 'replace', name, present: '1.9 GiB, 2 tables', restored: '1.8 GiB, 2 tables'},
			});
			return {ended: promise};
		},
		answer(job, text) {
			record('answer', job, text);
			answers.get(job)?.(text);
		},
		async swapBack(name) {
			record('swapBack', name);
			return {ended: Promise.resolve({outcome: 'done'})};
		},
		async dropKept(name) {
			record('dropKept', name);
		},
		async runsOf(_location, keys) {
			const times = new Set(keys.map(key => /\d{4}-\d\d-\d\d/.exec(key)?.[0] ?? ''));
			return [...times].toSorted().map(day => ({run: `run-${day}`, time: Date.parse(day)}));
		},
		async compareRuns(location, runs) {
			record('compareRuns', location, runs);
			return [
				'- run a',
				'+ run b',
				'~ database orders: 1.8 GiB → 1.9 GiB (+5.6 %)',
				'the runs differ in 1 database; 0 equal',
			];
		},
		async *findTable(location, pattern) {
			record('findTable', location, pattern);
			if (pattern === 'none') throw new PgBackError('NOTHING_TO_DO', 'no dump holds a table none');
			yield {
				time,
				database: 'orders',
				table: 'public.order_lines',
				rows: 120_345_678,
				key: 'orders_2026-11-22.dump.age',
			};
		},
		async pin(location, run, reason) {
			record('pin', location, run, reason);
		},
		async unpin(location, run) {
			record('unpin', location, run);
		},
		restoreCommand: request => commandOf(configuration, request),
	};
}

function fakeContents(key: string): DumpContents {
	return {
		key,
		database: 'orders',
		facts: [
			['database', 'orders'],
			['server', 'PostgreSQL 15.18'],
			['dumped', '2026-11-22 02:00:03 +00:00'],
			['format', 'custom, compressed'],
		],
		objects: [
			{
				id: 1,
				kind: 'TABLE',
				schema: 'public',
				name: 'order_lines',
				rows: 120_345_678,
				bytes: 6_123_456_789,
				canChoose: true,
			},
			{id: 2, kind: 'TABLE', schema: 'public', name: 'orders', rows: 10_345_678, bytes: 1_123_456_789, canChoose: true},
			{id: 3, kind: 'VIEW', schema: 'public', name: 'open_orders', canChoose: true},
			{id: 4, kind: 'EXTENSION', schema: undefined, name: 'pgcrypto', canChoose: false},
		],
		included: ({ids}, dependents) => ({
			entries: ids.size * 4,
			parts: [
				{kind: 'INDEX', count: ids.size},
				{kind: 'TABLE DATA', count: ids.size},
			],
			needed: [],
			dependents: dependents ? ['view public.open_orders'] : [],
		}),
	};
}
