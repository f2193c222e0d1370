/** The engine as front ends use it: work requested on the command line or in the console, on one bus. */
import {backupWork, createBackupHandle, uploadWork} from './backup/backup-handle.js';
import type {Configuration} from './config/configuration.js';
import {messageOf} from './core/errors.js';
import type {Command} from './core/events.js';
import type {EngineHandle} from './core/handle.js';
import {isUnshipped} from './core/retries.js';
import type {Secrets} from './core/secrets.js';
import {createFleetHandle, type Fleet} from './fleet/fleet-handle.js';
import type {LocationHandle} from './fleet/location-handle.js';
import {completePath} from './lib/complete-path.js';
import {freeSpace} from './lib/free-space.js';
import {locationsOf} from './repository/locations.js';
import {createRunsHandle} from './repository/runs-handle.js';
import {createCheckHandle} from './restore/check-handle.js';
import {equalCommand} from './restore/equal-command.js';
import {createFetchHandle} from './restore/fetch-handle.js';
import {createDraftsHandle} from './restore/kept-drafts.js';
import {createRestoreHandle, startedRestore} from './restore/restore-handle.js';
import {newRunId, type RunContext, type RunResult} from './runs/context.js';
import {createJobQuestions, type JobQuestions} from './runs/job-questions.js';
import {type Work, WorkRunner, type WorkRunnerOptions, type WorkStarter} from './runs/work-runner.js';

export type EngineOptions = WorkRunnerOptions & {
	/** Absent where no fleet is configured. */
	readonly fleet?: Fleet | undefined;
};

export type Engine = EngineHandle & {
	/** Runs the work to its end and never rejects: errors are in the result, and in the last event. */
	readonly start: (command: Command, work: Work) => Promise<RunResult>;
	/** Returns the exit code of all work: 0 when every job succeeded, if necessary at a later attempt. */
	readonly exitCode: () => number;
	readonly working: () => boolean;
};

export function createEngine(options: EngineOptions): Engine {
	const {bus, base} = options;
	const {configuration} = base;
	const runner = new WorkRunner(options);
	const questions = createJobQuestions();
	const parts = {...options, questions};
	const newRun = (): RunContext => ({...base, ...newRunId(), emit: bus.emit});
	const {again, ...handle} = createFleetHandle(createLocationHandle(parts, runner, configuration), {
		configuration,
		fleet: options.fleet,
		runFor: signal => ({...newRun(), signal: AbortSignal.any([base.signal, signal])}),
		open: server => createLocationHandle(parts, runner.forServer(server), server.configuration),
	});

	return {
		start: (command, work) => runner.start(command, work),
		exitCode: () => runner.exitCode(),
		working: () => runner.isWorking,
		state: bus.state,
		subscribe: bus.subscribe,
		cancel: job => runner.cancel(job),
		retry(job, secrets) {
			if (secrets === undefined && runner.retry(job)) return;
			const state = bus.state().jobs.get(job);
			const warn = (text: string) => bus.emit({type: 'log', level: 'warn', text});
			const attempt = (work: Promise<void>) => void work.catch((error: unknown) => warn(messageOf(error)));
			if (state && isUnshipped(state)) return attempt(runner.startInBackground('upload', uploadWork(state)));
			if (state?.kind === 'database')
				return attempt(runner.startInBackground('backup', backupWork({databases: [state.name]})));
			const repeated = again(job, secrets);
			if (repeated) attempt(repeated);
			else warn(`${state?.name ?? job} cannot be retried on its own`);
		},
		locations: () => locationsOf(configuration.settings),
		completePath: async text => completePath(text, base.env['HOME']),
		freeSpace,
		...handle,
		...createDraftsHandle(base.env),
		answer: questions.answer,
		...createBackupHandle(bus, runner, newRun),
		async runsElsewhere() {
			const {listRunsElsewhere} = await import('./repository/runs-elsewhere.js');
			return listRunsElsewhere(base, runner.ownTags);
		},
		attach: async id => (await import('./repository/runs-elsewhere.js')).attachToRun(base, id),
		idle: () => runner.idle(),
	};
}

/** Creates what works on the locations of one configuration. */
function createLocationHandle(
	{bus, base, questions}: WorkRunnerOptions & {readonly questions: JobQuestions},
	runner: WorkStarter,
	configuration: Configuration,
): LocationHandle {
	const {settings} = configuration;
	const newRun = (): RunContext => ({...base, configuration, ...newRunId(), emit: bus.emit});
	/** Creates a separate run context for reading, which starts no jobs. */
	const runFor = (signal: AbortSignal, secrets?: Secrets): RunContext => ({
		...newRun(),
		signal: AbortSignal.any([base.signal, signal]),
		...(secrets && {secrets}),
	});
	return {
		...createBrowserHandle(newRun),
		commandFor: request => equalCommand(configuration, request),
		...createFetchHandle(bus, settings, runner),
		...createCheckHandle(runner),
		async planRestore({secrets, ...request}, {signal}) {
			const {previewRestore} = await import('./restore/console-restore.js');
			return previewRestore(runFor(signal, secrets), request);
		},
		restore(request, confirmed) {
			const ended = runner.start(
				'restore',
				async run =>
					(await import('./restore/console-restore.js')).restoreAsked(
						{...run, askJob: questions.ask},
						request,
						confirmed,
					),
				request.secrets,
			);
			return Promise.resolve(startedRestore(ended));
		},
		...createRestoreHandle({configuration, runFor, start: (command, work) => runner.start(command, work)}),
		...createRunsHandle({settings, runFor}),
	};
}

type BrowserHandle = Pick<
	EngineHandle,
	'list' | 'runs' | 'ages' | 'lastGoodOf' | 'remove' | 'missingSecret' | 'checkSecrets'
>;

/** One browser serves all calls; it is loaded at the first: a backup from cron needs none. */
function createBrowserHandle(newRun: () => RunContext): BrowserHandle {
	const load = async () => (await import('./repository/browser.js')).createBrowser(newRun());
	let loaded: ReturnType<typeof load> | undefined;
	const browser = () => (loaded ??= load());
	return {
		async *list(location, options) {
			yield* (await browser()).list(location, options);
		},
		async *runs(location, options) {
			yield* (await browser()).runs(location, options);
		},
		ages: async (location, options) => (await browser()).ages(location, options),
		lastGoodOf: async (location, keys) => (await browser()).lastGoodOf(location, keys),
		remove: async (location, keys) => (await browser()).remove(location, keys),
		missingSecret: async (dumps, options) => (await browser()).missingSecret(dumps, options),
		checkSecrets: async secrets => (await browser()).checkSecrets(secrets),
	};
}
