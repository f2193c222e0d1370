import {ContainerClient} from '@azure/storage-blob';
import {startDog} from '../dog.js';
import {requestRetrier} from '../retrying.js';
import type {OpenContext} from '../storage.js';
import {describeAzureError, type Where} from './errors.js';
import {resolveAzure, type AzureSettings} from './settings.js';

export type RequestOptions = {
	readonly abortSignal: AbortSignal;
	/** Says that something moved: the request may take as long again. */
	readonly alive: () => void;
	/** 1 for the first attempt. */
	readonly attempt: number;
};

/** One container, and how to talk to it. */
export type Container = {
	readonly client: ContainerClient;
	readonly location: string;
	readonly settings: AzureSettings;
	/**
	 * Runs one request until it succeeds, fails for good, or the budget is spent; one on which nothing moves for the idle time is
	 * ended and counts as failed.
	 */
	readonly request: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		run: (options: RequestOptions) => Promise<T>,
	) => Promise<T>;
	/** One attempt of it: for what is tried again as a whole. */
	readonly once: Container['request'];
};

export function openContainer(settings: AzureSettings, context: OpenContext): Container {
	const {url, credential, location} = resolveAzure(settings, context);
	// Retries are ours: bounded by a budget, told in the log, and aware of what was already confirmed.
	const client = new ContainerClient(url, credential, {retryOptions: {maxTries: 1}, keepAliveOptions: {enable: true}});
	const attemptOnce = async <T>(
		where: Where,
		signal: AbortSignal,
		attempt: number,
		run: (options: RequestOptions) => Promise<T>,
	): Promise<T> => {
		signal.throwIfAborted();
		const dog = startDog(context.idleTimeout);
		try {
			return await run({abortSignal: AbortSignal.any([signal, dog.signal]), alive: dog.alive, attempt});
		} catch (error) {
			signal.throwIfAborted();
			throw describeAzureError(dog.signal.aborted ? dog.signal.reason : error, where);
		} finally {
			dog.stop();
		}
	};
	return {
		client,
		location,
		settings,
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
