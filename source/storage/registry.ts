import {PgBackError} from '../core/errors.js';
import {withBandwidth} from './decorators/bandwidth.js';
import {withDryRun} from './decorators/dry-run.js';
import {withIdleTimeout} from './decorators/idle.js';
import {withLimit} from './decorators/limit.js';
import {createPatience, withPatience} from './decorators/patience.js';
import {withPrefix} from './decorators/prefix.js';
import {withRetry} from './decorators/retry.js';
import {deferred} from './deferred.js';
import {isPermanentError} from './errors.js';
import {defaultBudget} from './retrying.js';
import type {B2Settings} from './b2/b2.js';
import type {AzureSettings} from './azure/settings.js';
import type {GcsSettings} from './gcs/client.js';
import type {LocalSettings} from './local/local.js';
import type {MemorySettings} from './memory.js';
import type {S3Settings} from './s3/settings.js';
import type {SftpSettings} from './sftp/settings.js';
import type {OpenContext, Storage} from './storage.js';

/** What each target is opened with; plain objects that the engine makes from the configuration. */
export type StorageSettings = {
	readonly s3: S3Settings;
	readonly b2: B2Settings;
	readonly sftp: SftpSettings;
	readonly gcs: GcsSettings;
	readonly azure: AzureSettings;
	readonly local: LocalSettings;
	readonly memory: MemorySettings;
};

export type StorageKind = keyof StorageSettings;

type Opener<K extends StorageKind> = (settings: StorageSettings[K], context: OpenContext) => Promise<Storage>;

/** Each loads its SDK only when it is used. */
const openers: {readonly [K in StorageKind]: () => Promise<Opener<K>>} = {
	// Neither a service that does not answer nor a disk that is not mounted may keep a dump from being made: the first use asks.
	b2: async () => {
		const {b2Location, checkB2Settings, openB2} = await import('./b2/b2.js');
		return async (settings, context) => {
			checkB2Settings(settings);
			const facts = {kind: 'b2', location: b2Location(settings), isPermanent: isPermanentError, watchesIdle: true};
			const during = (signal: AbortSignal): OpenContext => ({
				...context,
				signal,
				get retryBudget() {
					return context.retryBudget;
				},
			});
			return Promise.resolve(deferred(facts, signal => openB2(settings, during(signal))));
		};
	},
	s3: async () => (await import('./s3/s3.js')).openS3,
	sftp: async () => (await import('./sftp/sftp.js')).openSftp,
	gcs: async () => (await import('./gcs/gcs.js')).openGcs,
	azure: async () => (await import('./azure/azure.js')).openAzure,
	local: async () => {
		const {localLocation, openLocal} = await import('./local/local.js');
		return (settings, context) => {
			const facts = {kind: 'local', location: localLocation(settings), isPermanent: isPermanentError};
			return Promise.resolve(deferred(facts, () => openLocal(settings, context)));
		};
	},
	memory: async () => (await import('./memory.js')).openMemory,
};

export const storageKinds = Object.keys(openers) as readonly StorageKind[];

export type WrapOptions = {
	/** upload_prefix: keys are seen without it. */
	readonly prefix?: string;
	/** At most so many transfers at once. */
	readonly jobs?: number;
	/** Bytes a second over all transfers. */
	readonly bandwidth?: number;
	readonly dryRun?: boolean;
};

/**
 * Opens a target with retries and idle time-outs, and with what `options` asks for. Throws PgBackError CONFIG for settings that
 * cannot work and STORAGE when the place cannot be used. The caller closes it.
 */
export async function openStorage<K extends StorageKind>(
	kind: K,
	settings: StorageSettings[K],
	context: OpenContext,
	options: WrapOptions = {},
): Promise<Storage> {
	if (!Object.hasOwn(openers, kind)) {
		throw new PgBackError('CONFIG', `unknown remote location ${kind}`, {hint: `use one of ${storageKinds.join(', ')}`});
	}
	const open = await openers[kind]();
	const patience = createPatience(context.retryBudget ?? defaultBudget);
	const patient: OpenContext = {
		...context,
		get retryBudget() {
			return patience.budget;
		},
	};
	return withPatience(wrapStorage(await open(settings, patient), patient, options), patience);
}

/** The decorators in the order in which they must stand: a transfer keeps its turn while it waits to try again. */
export function wrapStorage(target: Storage, context: OpenContext, options: WrapOptions = {}): Storage {
	const {clock, log} = context;
	let storage = withIdleTimeout(target, {milliseconds: context.idleTimeout, clock});
	if (options.bandwidth) storage = withBandwidth(storage, options.bandwidth, clock);
	storage = withRetry(storage, {
		clock,
		get budget() {
			return context.retryBudget;
		},
		onRetry: (error, delay, attempt) => log('warn', retryText(error, delay, attempt)),
	});
	if (options.jobs) storage = withLimit(storage, options.jobs);
	if (options.dryRun) storage = withDryRun(storage, text => log('info', text));
	return withPrefix(storage, options.prefix ?? '');
}

function retryText(error: unknown, delay: number, attempt: number): string {
	const reason = error instanceof Error ? error.message : String(error);
	return `${reason}: trying again in ${(delay / 1000).toFixed(1)} s (attempt ${attempt + 1})`;
}
