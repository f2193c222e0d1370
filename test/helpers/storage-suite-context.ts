/** Shared parts of the storage suite's tests. */
import assert from 'node:assert/strict';
import {PgBackError} from '../../source/core/errors.js';
import type {ObjectInfo, PutOptions, PutResult, PutSource, Storage} from '../../source/storage/storage.js';

export type SuitePlace = {
	/** The bare store, without decorators, at an empty place. */
	readonly storage: Storage;
	/** The same place, opened with credentials without any permission. */
	readonly forbidden?: Storage;
	/** Everything that is really there, unfinished files and all, read past the target: proves that nothing is left behind. */
	readonly everything?: () => Promise<readonly string[]>;
	readonly close: () => Promise<void>;
};

export type SuiteTraits = {
	/** Metadata come back from `stat`. */
	readonly metadata: boolean;
	/** `onJournal` and `journal` resume an upload. */
	readonly resumes: boolean;
	/** Bytes of an object that takes several parts; 3 MiB by default. */
	readonly large?: number;
	/** Keys in the paging test; 1,200 by default, 10,000 with PG_BACK_TEST_FULL=1. */
	readonly manyKeys?: number;
	/** Hostile keys that the service cannot hold and the target therefore refuses, with the reason. */
	readonly refuses?: (key: string) => boolean;
	/** Hostile keys that the server itself cannot list as they are. */
	readonly mangles?: readonly string[];
	/** Tests that cannot run here: name to reason, printed as skipped. */
	readonly skip?: Readonly<Record<string, string>>;
	/** Uploads at once in the paging test; 16 by default. */
	readonly concurrency?: number;
};

/** What a group of tests works with. `storage` and `place` are there once the tests run. */
export type Suite = {
	readonly place: SuitePlace;
	readonly storage: Storage;
	readonly traits: SuiteTraits;
	/** Bytes of an object that takes several parts. */
	readonly large: number;
	readonly test: (title: string, run: () => Promise<void>) => void;
	readonly put: (key: string, source: PutSource | Uint8Array, options?: Partial<PutOptions>) => Promise<PutResult>;
	readonly get: (key: string, offset?: number) => Promise<Buffer>;
	readonly stat: (key: string) => Promise<ObjectInfo | undefined>;
	/** Nothing is visible under `key`, nor left beside it. */
	readonly assertNothing: (key: string) => Promise<void>;
};

/** One of our errors for exit status 14, of one line, that holds `text`. */
export function isStorageFailure(error: unknown, text: string): boolean {
	assert.ok(error instanceof PgBackError, String(error));
	assert.equal(error.exitCode, 14, error.message);
	assert.ok(error.message.includes(text), error.message);
	assert.doesNotMatch(error.message, /\n/);
	return true;
}

export function names(error: unknown, storage: Storage, key: string): boolean {
	assert.ok(error instanceof PgBackError);
	assert.ok(error.message.includes(key) && error.message.includes(storage.location), error.message);
	assert.ok(error.hint, 'a hint');
	return true;
}
