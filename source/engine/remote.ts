/** The remote location of a run: opened from the configuration, with the keys that belong to local paths. */
import {join as joinPath, posix, relative} from 'node:path';
import type {Settings} from '../config/options.js';
import type {UploadOptions} from '../stages/upload.js';
import {openStorage} from '../storage/registry.js';
import type {Storage, StorageObject} from '../storage/storage.js';
import type {RunContext} from './context.js';
import {storeSettings} from './store-settings.js';

export type Store = Exclude<Settings['upload'], 'none'>;

export type Remote = {
	readonly store: Store;
	readonly storage: Storage;
	/** `upload_prefix` with a slash at its end, or empty. */
	readonly prefix: string;
	/** For people, prefix and all. */
	readonly location: string;
	readonly keyFor: (path: string) => string;
	/** Every object below the prefix, with its whole key. */
	readonly list: (signal: AbortSignal) => AsyncIterable<StorageObject>;
	readonly close: () => Promise<void>;
};

/** For somebody who waits for an answer: what fails is tried again for so many milliseconds, not for a quarter of an hour. */
export const impatient = {retryBudget: 20_000} as const;

/** Throws CONFIG or STORAGE when the location cannot be used. The caller closes. */
export async function openRemote(
	run: RunContext,
	store: Store,
	options: {readonly retryBudget?: number} = {},
): Promise<Remote> {
	const {settings} = run.configuration;
	const opening = storeSettings(store, settings, run.env);
	const storage = await openStorage(
		opening.kind,
		opening.settings,
		{
			env: run.env,
			signal: run.signal,
			log: (level, text) => run.emit({type: 'log', level, text}),
			idleTimeout: settings.remoteTimeout * 1000,
			retryBudget: Math.min(options.retryBudget ?? Infinity, settings.remoteRetry * 1000),
		},
		{jobs: settings.uploadJobs, ...(settings.bandwidthLimit > 0 && {bandwidth: settings.bandwidthLimit})},
	);
	const prefix = listPrefix(settings.uploadPrefix);
	return {
		store,
		storage,
		prefix,
		location: `${storage.location}${prefix}`,
		keyFor: path => remoteKey(settings.backupDirectory, settings.uploadPrefix, path),
		list: signal => storage.list(prefix, {signal}),
		close: () => storage.close(),
	};
}

/** What every key begins with: `upload_prefix` with a slash at its end, or empty. */
export function listPrefix(uploadPrefix: string): string {
	const cleaned = uploadPrefix === '' ? '' : posix.join(uploadPrefix);
	return cleaned === '' || cleaned === '.' ? '' : cleaned.endsWith('/') ? cleaned : `${cleaned}/`;
}

/**
 * The key of a local path: relative to the backup directory as configured (`{dbname}` and all), without leading `../`, behind the
 * prefix: `/var/{dbname}/dir` and `/var/b1/dir/b1.dump` make `b1/dir/b1.dump`.
 */
export function remoteKey(template: string, prefix: string, path: string): string {
	const inner = relative(template, path).replace(/^(\.\.\/)+/, '');
	return prefix === '' ? inner : posix.join(prefix, inner);
}

/** Where a downloaded key belongs: the inverse, with the fixed part of the backup directory in front. */
export function downloadBase(template: string): string {
	const segments = template.split('/');
	const variable = segments.findIndex(segment => segment.includes('{dbname}'));
	return variable === -1 ? template : joinPath(segments.slice(0, variable).join('/') || '/');
}

export function uploadOptions(run: RunContext, {storage, keyFor}: Remote): UploadOptions {
	return {storage, keyFor, run: run.tag, deleteLocal: run.configuration.settings.deleteUploaded, emit: run.emit};
}
