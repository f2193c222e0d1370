/** Recorded runs that look like real ones, to test, measure and picture the console. */
import type {JobProgress, NewEvent, PlannedJob, RunEvent, StageName, TableProgress} from '../../source/core/events.js';
import type {RecordedDatabase} from './recorded-databases.js';

export type RecordingOptions = {
	readonly databases: readonly RecordedDatabase[];
	readonly concurrency?: number;
	readonly stages?: readonly StageName[];
	/** Milliseconds since the epoch. */
	readonly start?: number;
	/** Milliseconds between samples. */
	readonly step?: number;
	/** Ends the recording before the run does, seconds after its start. */
	readonly until?: number;
	readonly destinations?: readonly string[];
};

export const recordingStart = Date.UTC(2026, 10, 22, 10, 2, 11);

/** All events of a run, in order; the same options give the same events. */
export function makeRecording(options: RecordingOptions): RunEvent[] {
	const {
		databases,
		concurrency = 3,
		stages = ['dump', 'checksum', 'encrypt', 'upload'],
		start = recordingStart,
		step = 250,
	} = options;
	const destinations = options.destinations ?? ['/var/backups/postgresql', 's3://backups/prod/'];
	const events: RunEvent[] = [];
	let time = start;
	const emit = (event: NewEvent) => events.push({...event, time});
	emit({
		type: 'run.started',
		schema: 1,
		runId: '20261122T100211Z-4fk2',
		command: 'backup',
		version: '3.0.0',
		host: 'db1',
		pid: 4211,
	});
	time += 40;
	emit({
		type: 'run.connected',
		server: {
			version: '15.18',
			versionNumber: 150018,
			inRecovery: false,
			host: 'db1.example',
			port: '5432',
			user: 'postgres',
			superuser: true,
		},
	});
	time += 60;
	const jobs = [plannedGlobals(stages), ...databases.map((database, index) => plannedJob(database, index, stages))];
	emit({type: 'run.planned', jobs, concurrency, destinations, encryption: 'age, 2 recipients'});
	const queue = databases.map((database, index) => new Work(database, `db-${index}`, stages));
	const globals = 'globals';
	emit({type: 'job.started', job: globals, attempt: 1});
	for (const stage of stages) emit({type: 'stage.started', job: globals, stage});
	time += 300;
	for (const stage of stages)
		emit({type: 'stage.finished', job: globals, stage, outcome: 'done', bytesIn: 12_288, bytesOut: 12_288});
	const globalsPath = '/var/backups/postgresql/pg_globals_2026-11-22T10:02:11+00:00.sql.age';
	emit({
		type: 'file.published',
		job: globals,
		file: {path: globalsPath, role: 'globals', size: 12_288, encrypted: true},
	});
	emit({type: 'job.finished', job: globals, outcome: 'done'});

	const total = databases.reduce((sum, one) => sum + one.size, 0);
	let waiting = [...queue];
	let running: Work[] = [];
	while (running.length + waiting.length > 0) {
		if (options.until !== undefined && time - start > options.until * 1000) return events;
		while (running.length < concurrency && waiting.length > 0) {
			const [next, ...rest] = waiting;
			waiting = rest;
			if (next === undefined) break;
			running.push(next);
			next.begin(emit);
		}
		time += step;
		for (const work of running) work.advance(step / 1000, emit, time - start);
		const progress = running.filter(work => !work.ended).map(work => work.progress());
		if (progress.length > 0) emit({type: 'progress', jobs: progress});
		const bytes = queue.reduce((sum, work) => sum + work.bytes, 0);
		const rate = running.reduce((sum, work) => sum + work.database.rate, 0);
		const fraction = Math.min(
			0.99,
			queue.reduce((sum, work) => sum + (work.ended ? work.database.size : work.bytes), 0) / total,
		);
		emit({
			type: 'run.totals',
			fraction,
			estimated: true,
			bytes,
			totalBytes: total,
			rate,
			eta: (total - bytes) / Math.max(1, rate),
		});
		running = running.filter(work => !work.ended);
	}
	const failed = databases.filter(one => one.fails !== undefined).length;
	emit({
		type: 'file.removed',
		path: 'orders_2026-11-08T02:00:02+00:00.dump.age',
		location: 's3://backups/prod/',
		reason: 'older than 14 days',
	});
	emit({type: 'run.finished', exitCode: failed > 0 ? 1 : 0, outcome: failed > 0 ? 'failed' : 'done'});
	return events;
}

function plannedGlobals(stages: readonly StageName[]): PlannedJob {
	return {id: 'globals', kind: 'globals', name: 'globals', stages};
}

function plannedJob({name, size, unknown}: RecordedDatabase, index: number, stages: readonly StageName[]): PlannedJob {
	return {
		id: `db-${index}`,
		kind: 'database',
		name,
		stages,
		estimatedBytes: unknown ? undefined : size,
		format: 'custom',
	};
}

/** One database passing through the stages. */
class Work {
	bytes = 0;
	ended = false;
	#uploaded = 0;
	#clock = 0;

	readonly database: RecordedDatabase;
	readonly id: string;
	readonly stages: readonly StageName[];

	constructor(database: RecordedDatabase, id: string, stages: readonly StageName[]) {
		this.database = database;
		this.id = id;
		this.stages = stages;
	}

	begin(emit: (event: NewEvent) => void): void {
		const {name} = this.database;
		emit({type: 'job.started', job: this.id, attempt: 1});
		emit({
			type: 'job.command',
			job: this.id,
			command: `/usr/lib/postgresql/15/bin/pg_dump -d 'dbname=${name}' -F custom -Z 6 --file=-`,
		});
		for (const stage of this.stages.filter(one => one !== 'upload')) emit({type: 'stage.started', job: this.id, stage});
	}

	advance(seconds: number, emit: (event: NewEvent) => void, sinceStart: number): void {
		const {size, rate, fails, lock} = this.database;
		this.#clock += seconds;
		const locked = lock !== undefined && this.#clock >= lock.from && this.#clock < lock.to;
		// A varying rate, without randomness.
		if (!locked)
			this.bytes = Math.min(size, this.bytes + seconds * rate * (1 + 0.2 * Math.sin(sinceStart / 900 + size)));
		const target = (fails?.at ?? 1) * size;
		if (this.bytes < target) return;
		if (fails !== undefined) return this.#fail(fails, emit);
		if (!this.stages.includes('upload')) return this.#finish(emit);
		if (this.#uploaded === 0) {
			for (const stage of this.stages.filter(one => one !== 'upload')) this.#end(stage, emit);
			emit({type: 'file.published', job: this.id, file: this.#file()});
			emit({type: 'stage.started', job: this.id, stage: 'upload'});
		}
		this.#uploaded = Math.min(size, this.#uploaded + seconds * rate * 1.4);
		if (this.#uploaded < size) return;
		this.#end('upload', emit);
		const {path} = this.#file();
		const key = path.split('/').at(-1) ?? path;
		emit({
			type: 'file.uploaded',
			job: this.id,
			path,
			location: 's3://backups/prod/',
			key,
			size,
			seconds: size / rate / 1.4,
			checked: 'SHA-256 of every part',
		});
		this.#finish(emit);
	}

	progress(): JobProgress {
		const {size, rate, unknown, lock} = this.database;
		const locked = lock !== undefined && this.#clock >= lock.from && this.#clock < lock.to;
		const out = Math.floor(this.bytes * 0.4);
		const stages = Object.fromEntries(
			this.stages.map(stage => [
				stage,
				stage === 'upload'
					? {bytesIn: this.#uploaded, bytesOut: this.#uploaded}
					: {bytesIn: Math.floor(this.bytes), bytesOut: out},
			]),
		);
		const fraction = (this.bytes + this.#uploaded) / (2 * size);
		const known = unknown ? {} : {fraction: Math.min(0.99, fraction), eta: (size - this.bytes) / rate};
		return {
			job: this.id,
			stages,
			...known,
			rate,
			tables: this.#tables(),
			tablesDone: Math.floor(fraction * 240),
			tablesTotal: 240,
			limitedBy: 'compression',
			...(locked
				? {
						blockedBy: [
							{
								table: 'public.invoices',
								mode: 'AccessShareLock',
								pid: 8123,
								user: 'app',
								application: 'migration',
								statement: 'ALTER TABLE invoices ADD COLUMN note text',
								waiting: this.#clock - lock.from,
							},
						],
					}
				: {}),
		};
	}

	#tables(): readonly TableProgress[] {
		return ['public.order_lines', 'public.orders', 'archive.order_lines_2025', 'public.événements'].map(
			(name, index) => ({
				name,
				bytes: Math.floor(this.bytes / (index + 2)),
				rows: Math.floor(this.bytes / 120 / (index + 2)),
				fraction: Math.min(0.99, this.bytes / this.database.size + 0.1 * index),
				estimated: index === 2,
			}),
		);
	}

	#file() {
		const {name, size} = this.database;
		const safe = encodeURIComponent(name).slice(0, 120);
		return {
			path: `/var/backups/postgresql/${safe}_2026-11-22T10:02:11+00:00.dump.age`,
			role: 'dump',
			size: Math.floor(size * 0.4),
			plainSize: Math.floor(size * 0.4),
			plainSha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
			sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
			encrypted: true,
		} as const;
	}

	#end(stage: StageName, emit: (event: NewEvent) => void): void {
		const out = Math.floor(this.bytes * 0.4);
		emit({
			type: 'stage.finished',
			job: this.id,
			stage,
			outcome: 'done',
			bytesIn: stage === 'dump' ? Math.floor(this.bytes) : out,
			bytesOut: out,
		});
	}

	#finish(emit: (event: NewEvent) => void): void {
		this.ended = true;
		if (!this.stages.includes('upload')) {
			for (const stage of this.stages) this.#end(stage, emit);
			emit({type: 'file.published', job: this.id, file: this.#file()});
		}
		emit({type: 'job.finished', job: this.id, outcome: 'done'});
	}

	#fail({message, hint, output = []}: NonNullable<RecordedDatabase['fails']>, emit: (event: NewEvent) => void): void {
		this.ended = true;
		for (const line of output) emit({type: 'job.output', job: this.id, line});
		emit({type: 'stage.finished', job: this.id, stage: 'dump', outcome: 'failed'});
		emit({type: 'job.finished', job: this.id, outcome: 'failed', error: {code: 'DUMP_FAILED', message, hint, output}});
	}
}

export function toJsonLines(events: readonly RunEvent[]): string {
	return events.map(event => `${JSON.stringify(event)}\n`).join('');
}
