/** The remote location of a run: opens it from the configuration, and maps local paths to keys. */
import type {HttpClients} from '../lib/http/http.js';
import type {RunContext, StoreContext} from '../runs/context.js';
import type {UploadOptions} from '../stages/upload.js';
import {type StoreName, storeNamed} from '../storage/definitions.js';
import {openStorage, shareLimits, type WrapOptions} from '../storage/open.js';
import type {Storage, StorageObject} from '../storage/storage.js';
import {listPrefix, remoteKey} from './remote-keys.js';

export type Store = StoreName;

export type Remote = {
	readonly store: Store;
	readonly storage: Storage;
	/** `upload_prefix` with a trailing slash, or empty. */
	readonly prefix: string;
	/** The location for people, including the prefix. */
	readonly location: string;
	readonly keyFor: (path: string) => string;
	/** Lists every object below the prefix, with its full key. */
	readonly list: (signal: AbortSignal) => AsyncIterable<StorageObject>;
	/** Returns the proxies used so far, without user and password. */
	readonly proxies: () => readonly string[];
	/**
	 * Returns where the trusted certificates come from, in addition to Node.js's own; undefined for a store without HTTP.
	 */
	readonly certificateSources: () => readonly string[] | undefined;
	readonly close: () => Promise<void>;
};

/** For interactive use: retries for this many milliseconds instead of a quarter of an hour. */
export const shortRetries = {retryBudget: 20_000} as const;

export type RemoteOptions = {
	/** Milliseconds. */
	readonly retryBudget?: number;
	/** Maximum number of concurrent transfers. */
	readonly jobs?: number;
};

/** Throws CONFIG or STORAGE when the location cannot be used. The caller closes. */
export async function openRemote(
	run: StoreContext,
	store: Store,
	options: RemoteOptions & {readonly shared?: WrapOptions | undefined} = {},
): Promise<Remote> {
	const {settings} = run.configuration;
	let clients: HttpClients | undefined;
	const idleTimeout = settings.remoteTimeout * 1000;
	const storage = await openStorage(
		context => storeNamed(store).open(settings, {env: run.env, fileMode: settings.backupFileMode}, context),
		{
			env: run.env,
			signal: run.signal,
			log: (level, text) => run.emit({type: 'log', level, text}),
			run: run.tag,
			http: async onSocket => {
				const {connectTimeout, openHttp} = await import('../storage/http.js');
				const {caFile} = settings;
				return (clients ??= openHttp({env: run.env, caFile, connectTimeout: connectTimeout(idleTimeout), onSocket}));
			},
			idleTimeout,
			retryBudget: Math.min(options.retryBudget ?? Infinity, settings.remoteRetry * 1000),
		},
		{
			jobs: options.jobs ?? settings.uploadJobs,
			onStall: (location, stall) => run.emit({type: 'network.stalled', location, ...stall}),
			...(settings.bandwidthLimit > 0 && {bandwidth: settings.bandwidthLimit}),
			...options.shared,
		},
	);
	const prefix = listPrefix(settings.uploadPrefix);
	return {
		store,
		storage,
		prefix,
		location: `${storage.location}${prefix}`,
		keyFor: path => remoteKey(settings.backupDirectory, settings.uploadPrefix, path),
		list: signal => storage.list(prefix, {signal}),
		proxies: () => clients?.proxies() ?? [],
		certificateSources: () => clients?.certificateSources(),
		async close() {
			await storage.close();
			clients?.close();
		},
	};
}

/**
 * Opens every place that dumps are uploaded to, in the configured order. They share the upload slots and the bandwidth.
 * Throws like `openRemote`. The caller closes them.
 */
export async function openUploadPlaces(run: StoreContext, options: RemoteOptions = {}): Promise<readonly Remote[]> {
	const {upload, uploadJobs, bandwidthLimit} = run.configuration.settings;
	const limits = shareLimits(upload.length, {jobs: options.jobs ?? uploadJobs, bandwidth: bandwidthLimit});
	const opened: Remote[] = [];
	try {
		for (const [index, store] of upload.entries())
			opened.push(await openRemote(run, store, {...options, shared: limits[index]}));
		return opened;
	} catch (error) {
		await closeAll(opened);
		throw error;
	}
}

export async function closeAll(remotes: readonly Remote[]): Promise<void> {
	await Promise.all(remotes.map(async remote => remote.close()));
}

export function uploadOptions(
	run: Pick<RunContext, 'configuration' | 'emit' | 'tag'>,
	{storage, keyFor}: Remote,
): UploadOptions {
	const {deleteUploaded, localCopy, readBackUploads} = run.configuration.settings;
	const deleteLocal = deleteUploaded || !localCopy;
	return {storage, keyFor, run: run.tag, deleteLocal, readBack: readBackUploads, emit: run.emit};
}
