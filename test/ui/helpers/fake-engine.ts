/** A stand-in for the engine: lists as many names as asked for, and plays transfers that can go wrong. Nothing is written. */
import {createBus, type EventBus} from '../../../source/core/bus.js';
import {PgBackError} from '../../../source/core/errors.js';
import type {PlannedJob, StageName} from '../../../source/core/events.js';
import type {ServerView} from '../../../source/core/fleet.js';
import type {EngineHandle, FetchRequest, ListedFile, RunSummary} from '../../../source/core/handle.js';
import type {RestoreFinding} from '../../../source/core/restore.js';
import type {KeptDraft} from '../../../source/core/restore-handle.js';
import type {Secrets} from '../../../source/core/secrets.js';
import {fakeRestores} from './fake-restores.js';

const day = 86_400_000;
export const fakeNow = Date.UTC(2026, 10, 22, 10, 5, 12);

export type FakeOptions = {
	/** Names at the remote `s3`. */
	readonly names?: number;
	/** The passphrase that opens the dumps; without one nothing is asked for. */
	readonly passphrase?: string;
	readonly databases?: number;
	/** The listing stops after this many names, and never ends. */
	readonly hangsAfter?: number;
	/** The listing fails after this many names. */
	readonly failsAfter?: number;
	/** What is told of a first attempt to list the remote that failed. */
	readonly trouble?: string;
	/** What is at the remote instead of generated names. */
	readonly listed?: readonly ListedFile[];
	/** Names that exist where downloads go. */
	readonly existing?: readonly string[];
	/** Databases of which a deletion would take the last good dump. */
	readonly lastGood?: readonly string[];
	/** Jobs end only when told to. */
	readonly manual?: boolean;
	/** What stands in the way of every restore. */
	readonly findings?: readonly RestoreFinding[];
	/** What every restore ends with. */
	readonly failure?: PgBackError;
	/** The servers of the fleet; without it none is configured. `silent` gives no answer, `unreachable` fails. */
	readonly fleet?: readonly ServerView[] | 'silent' | 'unreachable';
	/** How often the target of a restore does not answer. */
	readonly unreachable?: number;
	/** Drafts of restores that an earlier console kept. */
	readonly kept?: readonly KeptDraft[];
};

export type FakeEngine = EngineHandle & {
	readonly bus: EventBus;
	/** What was asked of the engine, in order. */
	readonly calls: readonly (readonly [name: string, ...details: unknown[]])[];
	/** Ends all running jobs. */
	readonly finish: () => void;
};

const perRun = 16;

/** The `index`th of the names that the fake remote holds: 16 to a run, 15 databases and the globals. */
export function fakeFile(index: number): ListedFile {
	const run = Math.floor(index / perRun);
	const within = index % perRun;
	const time = Date.UTC(2026, 10, 22, 2, 0, 3) - run * day;
	const timeText = `${new Date(time).toISOString().slice(0, 19)}+00:00`;
	const subject = within === 0 ? 'pg_globals' : within === 1 ? 'orders' : `db_${String(within).padStart(2, '0')}`;
	const suffix = within === 0 ? 'sql' : 'dump';
	return {
		key: `${subject}_${timeText}.${suffix}.age`,
		size: within === 0 ? 12_288 : (1 + ((index * 7919) % 97)) * 23_456_789,
		modified: time + 60_000,
		name: {subject, timeText, time, suffix, encrypted: true},
	};
}

export function createFakeEngine(options: FakeOptions = {}): FakeEngine {
	const {
		names = 5000,
		passphrase,
		databases = 6,
		hangsAfter = Infinity,
		failsAfter = Infinity,
		trouble,
		listed,
		existing = [],
		lastGood = [],
		manual = false,
		findings = [],
		failure,
		unreachable = 0,
		kept = [],
		fleet,
	} = options;
	const bus = createBus();
	const calls: [string, ...unknown[]][] = [];
	const running = new Map<string, PlannedJob>();
	let count = 0;
	bus.emit({type: 'run.started', schema: 1, runId: 'fake', command: 'console', version: '3.0.0', host: 'db1', pid: 1});

	const wrong = (secrets?: Secrets) => passphrase !== undefined && secrets?.passphrase !== passphrase;

	function start(job: PlannedJob, attempt: number, secrets?: Secrets): void {
		running.set(job.id, job);
		bus.emit({type: 'job.started', job: job.id, attempt});
		for (const stage of job.stages) bus.emit({type: 'stage.started', job: job.id, stage});
		if (job.stages.includes('decrypt') && wrong(secrets)) {
			running.delete(job.id);
			bus.emit({
				type: 'job.finished',
				job: job.id,
				outcome: 'failed',
				error: {code: 'WRONG_KEY', message: 'the passphrase does not open it', hint: 'press r and type another one'},
			});
		} else if (!manual) finish(job);
	}

	function finish(job: PlannedJob): void {
		if (!running.delete(job.id)) return;
		const size = job.estimatedBytes ?? 1000;
		for (const stage of job.stages)
			bus.emit({type: 'stage.finished', job: job.id, stage, outcome: 'done', bytesIn: size, bytesOut: size});
		bus.emit({
			type: 'file.published',
			job: job.id,
			file: {path: `/restore/${job.name.replace(/\.age$/, '')}`, role: 'dump', size, encrypted: false},
		});
		bus.emit({type: 'job.finished', job: job.id, outcome: 'done'});
	}

	async function plan(
		kind: PlannedJob['kind'],
		keys: readonly string[],
		stages: readonly StageName[],
		secrets?: Secrets,
	): Promise<void> {
		const jobs = keys.map(name => ({
			id: `${kind}-${++count}`,
			kind,
			name,
			stages,
			estimatedBytes: 1_000_000 + name.length,
		}));
		bus.emit({type: 'run.planned', jobs, concurrency: 4, destinations: []});
		for (const job of jobs) start(job, 1, secrets);
	}

	return {
		bus,
		calls,
		finish: () => {
			for (const job of running.values()) finish(job);
		},
		state: bus.state,
		subscribe: bus.subscribe,
		cancel(id) {
			calls.push(['cancel', id]);
			for (const job of [...running.keys()].filter(one => id === undefined || one === id)) {
				running.delete(job);
				bus.emit({type: 'job.finished', job, outcome: 'cancelled', error: {code: 'CANCELLED', message: 'cancelled'}});
			}
		},
		retry(id, secrets) {
			calls.push(['retry', id, secrets]);
			const job = bus.state().jobs.get(id);
			if (job) start(job, job.attempt + 1, secrets);
		},
		locations: () => [
			{id: 'backup', label: '/var/backups/postgresql', remote: false},
			{id: 's3', label: 's3://backups/prod/', remote: true},
		],
		async *list(location, {signal, onTrouble}) {
			if (location !== 'backup' && trouble !== undefined) onTrouble?.(trouble);
			if (location !== 'backup' && listed) return yield* listed;
			const total = location === 'backup' ? 48 : names;
			for (let index = 0; index < total; index++) {
				signal.throwIfAborted();
				if (location !== 'backup' && index === failsAfter)
					throw new PgBackError('STORAGE', 's3: connection reset by peer');
				if (location !== 'backup' && index === hangsAfter) await aborted(signal);
				yield fakeFile(index);
			}
		},
		async *runs(location, {signal}): AsyncGenerator<RunSummary> {
			signal.throwIfAborted();
			const total = Math.ceil((location === 'backup' ? 48 : names) / perRun);
			for (let index = 0; index < Math.min(total, 200); index++) {
				const {name} = fakeFile(index * perRun);
				const run = name?.timeText ?? '';
				const failed = index === 2 ? ['billing'] : [];
				yield {
					run,
					time: name?.time ?? 0,
					state: failed.length > 0 ? 'partial' : 'complete',
					databases: [],
					failed,
					encrypted: true,
					lastProven: index === 1 ? fakeNow - 3_600_000 : undefined,
				};
			}
		},
		async ages(location) {
			const day = 86_400_000;
			if (location !== 'backup') return [];
			return [
				{database: 'shop_0', newest: fakeNow - 8 * 3_600_000, proven: fakeNow - 3 * day},
				{database: 'shop_1', newest: fakeNow - 9 * day, restored: fakeNow - 10 * day},
				{database: 'shop_2'},
			];
		},
		...fakeRestores({
			wrong,
			record: (...call) => void calls.push(call),
			findings,
			failure,
			unreachable,
			kept,
			time: Date.UTC(2026, 10, 22, 2, 0, 3),
			emit: bus.emit,
		}),
		fleetPlace: () => (fleet === undefined ? undefined : 's3://backups/fleet/'),
		async fleet({signal, onProgress, onTrouble}) {
			calls.push(['fleet']);
			if (fleet === 'unreachable') throw new PgBackError('STORAGE', 's3: connection refused by 10.0.0.9:443');
			if (fleet === 'silent') {
				onTrouble?.('s3: attempt 1 failed: no answer from 10.0.0.9:443');
				return aborted(signal);
			}
			onProgress?.({read: 1, found: fleet?.length ?? 0});
			return fleet ?? [];
		},
		async placeOf(server) {
			calls.push(['placeOf', server]);
			if (server === 'lost') throw new PgBackError('NOTHING_TO_DO', 'lost has reported no dump at s3://backups/');
			return {id: `s3@${server}`, label: `s3://backups/${server}/`, remote: true};
		},
		checkSecrets: () => Promise.resolve(),
		missingSecret: (_, {secrets} = {}) =>
			Promise.resolve(passphrase === undefined || secrets ? undefined : {kind: 'passphrase'}),
		completePath: text => Promise.resolve({text: `${text}/completed`, candidates: []}),
		freeSpace: () => Promise.resolve(12_345_678_901),
		commandFor: request =>
			`pg_back --${request.command} ${'keys' in request ? request.keys.join(' ') : request.databases.join(' ')}`,
		defaultTarget: () => '/var/backups/postgresql',
		async conflicts(request: FetchRequest) {
			calls.push(['conflicts', request]);
			return request.target === '/var/backups/postgresql' ? existing : [];
		},
		async fetch(request) {
			calls.push(['fetch', request]);
			if (request.target === '/nowhere') throw new PgBackError('FILE_SYSTEM', 'mkdir /nowhere: permission denied');
			const stages: StageName[] = [
				'download',
				...(request.decrypt ? (['decrypt'] as const) : []),
				...(request.verify ? (['checksum'] as const) : []),
			];
			await plan('download', request.keys, stages, request.secrets);
		},
		async decrypt(request) {
			calls.push(['decrypt', request]);
			await plan('decrypt', request.keys, ['decrypt'], request.secrets);
		},
		async verify(location, keys, secrets) {
			calls.push(['verify', location, keys, secrets]);
			await plan('verify', keys, ['verify'], secrets);
		},
		async restoreDrill(location, keys, secrets) {
			calls.push(['restoreDrill', location, keys, secrets]);
			await plan('restore', keys, ['restore'], secrets);
		},
		lastGoodOf: () => Promise.resolve(lastGood),
		async remove(location, keys) {
			calls.push(['remove', location, keys]);
			return [];
		},
		runsElsewhere: () => Promise.resolve([]),
		attach: () => Promise.reject(new PgBackError('FAILED', 'the run has ended')),
		async preview(chosen) {
			const all = Array.from({length: databases}, (_, index) => ({
				name: `shop_${index}`,
				bytes: (index + 1) * 300_000_000,
				format: 'custom',
			}));
			return {
				databases: chosen.length === 0 ? all : all.filter(one => chosen.includes(one.name)),
				facts: [
					['to', '/var/backups/postgresql'],
					['then to', 's3://backups/prod/'],
					['encrypted', 'age, 2 recipients'],
					['purged', 'older than 14 days, 3 kept at least'],
				],
			};
		},
		async backup(chosen) {
			calls.push(['backup', chosen]);
			const jobs = (chosen.length === 0 ? ['shop_0', 'shop_1', 'shop_2'] : chosen).map(
				name =>
					({
						id: `db-${++count}`,
						kind: 'database',
						name,
						stages: ['dump', 'checksum'],
						estimatedBytes: 300_000_000,
					}) as const,
			);
			bus.emit({type: 'run.planned', jobs, concurrency: 2, destinations: ['/var/backups/postgresql']});
			for (const job of jobs) start(job, 1);
		},
		idle: async () => undefined,
	};
}

async function aborted(signal: AbortSignal): Promise<never> {
	return new Promise((_, reject) =>
		signal.addEventListener('abort', () => reject(signal.reason as Error), {once: true}),
	);
}
