/** The engine as front ends see it: work that was asked for on the command line or from the console, on one bus. */
import {join} from 'node:path';
import {CancelledError, toPgBackError} from '../core/errors.js';
import type {EventBus} from '../core/bus.js';
import {eventSchema, type Command} from '../core/events.js';
import type {EngineHandle, FetchRequest, Secrets} from '../core/handle.js';
import {countJobs} from '../core/state.js';
import {newRunId, type RunContext, type RunResult} from './context.js';
import {resultOf} from './outcome.js';
import type {BackupOptions} from './prepare.js';
import {eventError, type Scheduler} from './scheduler.js';
import {missingSecret} from './key-material.js';
import {downloadBase, listPrefix} from './remote.js';
import {locationsOf, storeOf} from './locations.js';

export type Work = (run: RunContext) => Promise<RunResult>;

export type Engine = EngineHandle & {
	/** Runs to the end and never rejects: what was thrown is in the result, and in the last event. */
	readonly start: (command: Command, work: Work) => Promise<RunResult>;
	/** Of all that was started: 0 when every job came to a good end, if need be at a later attempt. */
	readonly exitCode: () => number;
	readonly working: () => boolean;
};

export type EngineOptions = {
	readonly bus: EventBus;
	/** Everything but what is new for each piece of work. */
	readonly base: Omit<RunContext, 'runId' | 'tag' | 'emit' | 'onScheduler'>;
	readonly host: string;
	readonly pid: number;
};

type Piece = {readonly abort: AbortController; readonly schedulers: Set<Scheduler>; readonly done: Promise<RunResult>};

export function createEngine({bus, base, host, pid}: EngineOptions): Engine {
	const pieces = new Set<Piece>();
	const results: RunResult[] = [];

	const start = (command: Command, work: Work, secrets?: Secrets): Promise<RunResult> => {
		const abort = new AbortController();
		const schedulers = new Set<Scheduler>();
		const {runId, tag} = newRunId();
		const run: RunContext = {
			...base,
			...(secrets && {secrets}),
			runId,
			tag,
			emit: bus.emit,
			signal: AbortSignal.any([base.signal, abort.signal]),
			onScheduler: scheduler => schedulers.add(scheduler),
		};
		bus.emit({type: 'run.started', schema: eventSchema, runId, command, version: base.version, host, pid});
		const done = work(run)
			.catch((thrown: unknown): RunResult => {
				if (run.signal.aborted) return resultOf([], run.signal);
				const error = toPgBackError(thrown);
				return {exitCode: error.exitCode, outcome: error instanceof CancelledError ? 'cancelled' : 'failed', error};
			})
			.then(result => {
				pieces.delete(piece);
				results.push(result);
				const {exitCode, outcome, error} = result;
				bus.emit({type: 'run.finished', exitCode, outcome, ...(error && {error: eventError(error)})});
				return result;
			});
		const piece: Piece = {abort, schedulers, done};
		pieces.add(piece);
		return done;
	};

	const inBackground = (command: Command, work: Work, secrets?: Secrets): Promise<void> => {
		void start(command, work, secrets);
		return Promise.resolve();
	};

	const browser = lazily(async () =>
		(await import('./browser.js')).createBrowser({...base, ...newRunId(), emit: bus.emit}),
	);
	const backups = downloadBase(base.configuration.settings.backupDirectory);
	/** What to ask for again, by job. */
	const fetched = new Map<string, FetchRequest>();
	const remember = (request: FetchRequest, idOf: (key: string) => string) => {
		for (const key of request.keys) fetched.set(idOf(key), {...request, keys: [key]});
	};
	/** With another secret: all that the first did not open, of the same request. */
	const lockedLike = ({keys: [first], location, target, decrypt, verify}: FetchRequest): readonly string[] => {
		const others = [...fetched].flatMap(([id, one]) => {
			const isSame =
				one.location === location && one.target === target && one.decrypt === decrypt && one.verify === verify;
			const {status, error} = bus.state().jobs.get(id) ?? {};
			return isSame && status === 'failed' && error?.code === 'WRONG_KEY' ? one.keys : [];
		});
		return [...new Set([...(first === undefined ? [] : [first]), ...others])];
	};
	const fetchAgain = (before: FetchRequest, secrets: Secrets | undefined) => {
		const request = {...before, ...(secrets && {secrets, keys: lockedLike(before)})};
		const isLocal = storeOf(request.location) === undefined;
		void start(isLocal ? 'decrypt' : 'download', fetchWork(request), request.secrets);
		for (const key of request.keys) fetched.set(isLocal ? decryptId(key) : downloadId(key), {...request, keys: [key]});
	};
	const prefix = listPrefix(base.configuration.settings.uploadPrefix);
	const downloadId = (key: string) => `download:${prefix}${key}`;
	const decryptId = (key: string) => `decrypt:${join(backups, key)}`;

	return {
		start: (command, work) => start(command, work),
		exitCode() {
			const bad = results.findLast(result => result.exitCode !== 0);
			if (!bad) return 0;
			const {failed, cancelled, done} = countJobs(bus.state());
			return failed === 0 && cancelled === 0 && done > 0 && results.at(-1)?.exitCode === 0 ? 0 : bad.exitCode;
		},
		working: () => pieces.size > 0,
		state: bus.state,
		subscribe: bus.subscribe,
		cancel(job) {
			for (const piece of pieces) {
				if (job === undefined) piece.abort.abort(new CancelledError());
				else for (const scheduler of piece.schedulers) scheduler.cancel(job);
			}
		},
		retry(job, secrets) {
			const alive = [...pieces].flatMap(piece => [...piece.schedulers]);
			if (secrets === undefined && alive.some(scheduler => scheduler.retry(job))) return;
			const state = bus.state().jobs.get(job);
			const again = fetched.get(job);
			if (state?.kind === 'database') void start('backup', backupWork({databases: [state.name]}));
			else if (again) fetchAgain(again, secrets);
			else bus.emit({type: 'log', level: 'warn', text: `${state?.name ?? job} cannot be run again by itself`});
		},
		locations: () => locationsOf(base.configuration.settings),
		async *list(location, options) {
			yield* (await browser()).list(location, options);
		},
		async *runs(location, options) {
			yield* (await browser()).runs(location, options);
		},
		inspect: async (location, key, options) => (await browser()).inspect(location, key, options),
		remove: async (location, keys) => (await browser()).remove(location, keys),
		missingSecret: async () => missingSecret(base),
		checkSecrets: async secrets => (await browser()).checkSecrets(secrets),
		defaultTarget: () => backups,
		conflicts: async request => (await import('./fetch.js')).fetchConflicts(request, prefix),
		fetch(request) {
			remember(request, downloadId);
			return inBackground('download', fetchWork(request), request.secrets);
		},
		decrypt(request) {
			remember({...request, location: 'local', decrypt: true}, decryptId);
			return inBackground(
				'decrypt',
				async run => (await import('./fetch.js')).runLocalDecrypt(run, request),
				request.secrets,
			);
		},
		verify(location, keys, secrets) {
			const chosen = new Set(keys);
			return inBackground(
				'verify',
				async run =>
					(await import('./verify.js')).runVerify(run, storeOf(location) ?? 'here', path => chosen.has(path)),
				secrets,
			);
		},
		restoreDrill(location, keys, secrets) {
			const chosen = new Set(keys);
			return inBackground(
				'restore',
				async run =>
					(await import('./drill.js')).runRestoreDrill(run, storeOf(location) ?? 'here', path => chosen.has(path)),
				secrets,
			);
		},
		preview: async databases =>
			(await import('./preview.js')).previewBackup({...base, ...newRunId(), emit: bus.emit}, databases),
		backup: databases => inBackground('backup', backupWork(databases.length > 0 ? {databases} : {})),
		async idle() {
			while (pieces.size > 0) await Promise.all([...pieces].map(piece => piece.done));
		},
	};
}

// What a piece of work needs is loaded when it is asked for: a backup from cron has no use for drills, listings and curves.
const fetchWork =
	(request: FetchRequest): Work =>
	async run =>
		(await import('./fetch.js')).runFetch(run, request);

const backupWork =
	(options: BackupOptions): Work =>
	async run =>
		(await import('./backup.js')).runBackup(run, options);

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
	let made: Promise<T> | undefined;
	return () => (made ??= make());
}
