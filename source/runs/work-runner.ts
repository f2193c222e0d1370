/** Runs commands of the engine (a backup, a download) on one bus, and keeps their results. */
import type {EventBus} from '../core/bus.js';
import {CancelledError, PgBackError, toPgBackError} from '../core/errors.js';
import {type Command, eventSchema} from '../core/events.js';
import {countJobs} from '../core/jobs.js';
import type {Secrets} from '../core/secrets.js';
import {display} from '../lib/display.js';
import {newRunId, type RunContext, type RunResult} from './context.js';
import {resultOf} from './outcome.js';
import {eventError, type Scheduler} from './scheduler.js';
import {createStatusService, type StatusControl} from './status-service.js';

export type Work = (run: RunContext) => Promise<RunResult>;

export type WorkRunnerOptions = {
	readonly bus: EventBus;
	/** The parts of the context that all runs share. */
	readonly base: Omit<RunContext, 'runId' | 'tag' | 'emit' | 'onScheduler' | 'serveStatus'>;
	readonly host: string;
	readonly pid: number;
};

type ActiveRun = {
	readonly abort: AbortController;
	readonly schedulers: Set<Scheduler>;
	readonly server: OtherServer | undefined;
	readonly done: Promise<RunResult>;
};

export type WorkStarter = Pick<WorkRunner, 'start' | 'startInBackground'>;

/** Another server of the fleet, and its configuration. */
type OtherServer = {readonly name: string; readonly configuration: RunContext['configuration']};

type StartOptions = {readonly secrets?: Secrets | undefined; readonly server?: OtherServer};

export class WorkRunner {
	readonly #options: WorkRunnerOptions;
	readonly #active = new Set<ActiveRun>();
	readonly #results: (RunResult & {readonly command: Command})[] = [];
	readonly #closings = new Set<Promise<void>>();
	/** Tags of the runs that were started here. */
	readonly ownTags = new Set<string>();

	constructor(options: WorkRunnerOptions) {
		this.#options = options;
	}

	get isWorking(): boolean {
		return this.#active.size > 0;
	}

	/**
	 * Runs `work` to its end. Never rejects: an error is in the result and in the last event. Without any event it is
	 * refused while work for another server runs, because job ids and reports are those of one server.
	 */
	start(command: Command, work: Work, secrets?: Secrets): Promise<RunResult> {
		return this.#start(command, work, {secrets});
	}

	/** Starts work whose end is only reported by events. Rejects when it is refused. */
	startInBackground(command: Command, work: Work, secrets?: Secrets): Promise<void> {
		return this.#startInBackground(command, work, {secrets});
	}

	/** Starts work for another server. */
	forServer(server: OtherServer): WorkStarter {
		return {
			start: (command, work, secrets) => this.#start(command, work, {secrets, server}),
			startInBackground: (command, work, secrets) => this.#startInBackground(command, work, {secrets, server}),
		};
	}

	async #startInBackground(command: Command, work: Work, options: StartOptions): Promise<void> {
		const refusal = this.#refusal(options);
		if (refusal) throw refusal;
		void this.#start(command, work, options);
	}

	#refusal({server}: StartOptions): PgBackError | undefined {
		const other = [...this.#active].find(run => run.server?.name !== server?.name);
		if (other === undefined) return undefined;
		const whose = other.server === undefined ? 'this server' : display(other.server.name);
		return new PgBackError('USAGE', `work for ${whose} is running: wait until it has ended`);
	}

	#start(command: Command, work: Work, options: StartOptions): Promise<RunResult> {
		const error = this.#refusal(options);
		if (error) return Promise.resolve({exitCode: error.exitCode, outcome: 'failed', error});
		const {secrets, server} = options;
		const {bus, base, host, pid} = this.#options;
		const abort = new AbortController();
		const schedulers = new Set<Scheduler>();
		const {runId, tag} = newRunId();
		this.ownTags.add(tag);
		const control: StatusControl = {
			cancel: job =>
				job === undefined ? abort.abort(new CancelledError()) : schedulers.forEach(one => one.cancel(job)),
			retry: job => [...schedulers].some(one => one.retry(job)),
		};
		const status = createStatusService({bus, tag, env: base.env, control});
		const run: RunContext = {
			...base,
			...(server && {configuration: server.configuration}),
			...(secrets && {secrets}),
			runId,
			tag,
			emit: bus.emit,
			signal: AbortSignal.any([base.signal, abort.signal]),
			onScheduler: scheduler => schedulers.add(scheduler),
			serveStatus: status.serve,
		};
		bus.emit({
			...{type: 'run.started', schema: eventSchema, runId, command, version: base.version, host, pid},
			...(server && {serverName: server.name}),
		});
		const done = work(run)
			.catch((thrown: unknown) => resultOfThrown(thrown, run.signal))
			.then(async result => {
				this.#active.delete(active);
				this.#results.push({...result, command});
				const {exitCode, outcome, error} = result;
				bus.emit({type: 'run.finished', exitCode, outcome, ...(error && {error: eventError(error)})});
				const closing = status.close().finally(() => this.#closings.delete(closing));
				this.#closings.add(closing);
				await closing;
				return result;
			});
		const active: ActiveRun = {abort, schedulers, server, done};
		this.#active.add(active);
		return done;
	}

	/** Cancels one job, or all work. */
	cancel(job?: string): void {
		for (const {abort, schedulers} of this.#active) {
			if (job === undefined) abort.abort(new CancelledError());
			else for (const scheduler of schedulers) scheduler.cancel(job);
		}
	}

	/** Retries a job of a run that has not ended. Returns false if there is none. */
	retry(job: string): boolean {
		return [...this.#active].flatMap(run => [...run.schedulers]).some(scheduler => scheduler.retry(job));
	}

	/** The exit code of everything that was started: 0 when every job succeeded, possibly at a later attempt. */
	exitCode(): number {
		const results = this.#results;
		const bad = results.findLast(result => result.exitCode !== 0);
		if (!bad) return 0;
		const last = (command: Command) => results.findLast(result => result.command === command);
		const lasting = results.findLast(result => result.isLasting && last(result.command) === result);
		if (lasting) return lasting.exitCode;
		const {failed, cancelled, done} = countJobs(this.#options.bus.state());
		return failed === 0 && cancelled === 0 && done > 0 && results.at(-1)?.exitCode === 0 ? 0 : bad.exitCode;
	}

	/** Resolves when nothing is running. */
	async idle(): Promise<void> {
		while (this.#active.size + this.#closings.size > 0)
			await Promise.all([...[...this.#active].map(run => run.done), ...this.#closings]);
	}
}

function resultOfThrown(thrown: unknown, signal: AbortSignal): RunResult {
	if (signal.aborted) return resultOf([], signal);
	const error = toPgBackError(thrown);
	return {exitCode: error.exitCode, outcome: error instanceof CancelledError ? 'cancelled' : 'failed', error};
}
