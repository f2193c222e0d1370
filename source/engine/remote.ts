/** From the configuration to an open store. */
import type {UploadOptions} from '../stages/upload.js';
import type {Storage} from '../storage/storage.js';
import type {RunContext} from './context.js';

export type Remote = {
	readonly storage: Storage;
	/** For people, prefix and all. */
	readonly location: string;
	readonly uploads: UploadOptions;
	readonly close: () => Promise<void>;
};

/** The store that the run uploads to; undefined for none. Throws before any dump when it cannot be used. */
export async function openUploads(run: RunContext): Promise<Remote | undefined> {
	if (run.configuration.settings.upload === 'none') return undefined;
	throw new Error('TBD');
}
