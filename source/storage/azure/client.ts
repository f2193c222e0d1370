import {ContainerClient, newPipeline} from '@azure/storage-blob';
import {httpOf} from '../http.js';
import {requestRetrier} from '../retrying.js';
import type {OpenContext} from '../storage.js';
import {startWatchdog} from '../watchdog.js';
import {describeAzureError, type Where} from './errors.js';
import {foreignGuard} from './response-check.js';
import {parsing} from './responses.js';
import {type AzureSettings, resolveAzure} from './settings.js';

export type RequestOptions = {
	readonly abortSignal: AbortSignal;
	/** Reports progress: the idle time starts again. */
	readonly alive: () => void;
	/** 1 for the first attempt. */
	readonly attempt: number;
};

/** One container, and functions to send requests to it. */
export type Container = {
	readonly client: ContainerClient;
	readonly location: string;
	readonly settings: AzureSettings;
	readonly clock: OpenContext['clock'];
	/** Warns once that fewer checks are possible without read permission. */
	readonly warnUnreadable: () => void;
	/**
	 * Runs one request until it succeeds, fails permanently, or the budget is used up; an attempt without progress for
	 * the idle time is aborted and counts as failed.
	 */
	readonly request: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		run: (options: RequestOptions) => Promise<T>,
	) => Promise<T>;
	/** Runs a single attempt, for operations that are retried as a whole. */
	readonly once: Container['request'];
};

export async function openContainer(settings: AzureSettings, context: OpenContext): Promise<Container> {
	const {url, credential, location} = resolveAzure(settings, context);
	// pg_back retries itself: within a budget, with log lines, and knowing what was already confirmed.
	const options = {
		retryOptions: {maxTries: 1},
		keepAliveOptions: {enable: true},
		// Passed to the SDK's HTTP pipeline, which then ignores proxy variables.
		agent: (await httpOf(context)).agentFor(url),
	};
	const pipeline = newPipeline(credential, options);
	pipeline.factories.push(foreignGuard);
	const client = new ContainerClient(url, pipeline);
	const attemptOnce = async <T>(
		where: Where,
		signal: AbortSignal,
		attempt: number,
		run: (options: RequestOptions) => Promise<T>,
	): Promise<T> => {
		signal.throwIfAborted();
		const dog = startWatchdog(context.idleTimeout);
		try {
			return await parsing(() =>
				run({abortSignal: AbortSignal.any([signal, dog.signal]), alive: dog.recordProgress, attempt}),
			);
		} catch (error) {
			signal.throwIfAborted();
			throw describeAzureError(dog.signal.aborted ? dog.signal.reason : error, where);
		} finally {
			dog.stop();
		}
	};
	let warned = false;
	return {
		client,
		location,
		settings,
		clock: context.clock,
		warnUnreadable() {
			if (warned) return;
			warned = true;
			const unchecked = 'the size and the block list of uploaded blobs cannot be checked';
			context.log('warn', `no permission to read at ${location}: ${unchecked}`);
		},
		once: (place, signal, run) => attemptOnce({...place, location}, signal, 1, run),
		async request(place, signal, run) {
			const retrier = requestRetrier(context, signal);
			for (let attempt = 1; ; attempt++) {
				try {
					return await attemptOnce({...place, location}, signal, attempt, run);
				} catch (error) {
					await retrier.failed(error);
				}
			}
		},
	};
}
