/**
 * Reads files that are shipped with the program: from the single executable, next to its bundle, or from the checkout.
 */
import {existsSync, readFileSync} from 'node:fs';
import {getAsset, isSea} from 'node:sea';
import type {Worker, WorkerOptions} from 'node:worker_threads';

/** Returns the text of a bundled file such as `pg_back.conf`. Throws when it is missing. */
export function readBundled(name: string): string {
	if (isSea()) return getAsset(name, 'utf8');
	const beside = new URL(name, import.meta.url);
	return readFileSync(existsSync(beside) ? beside : new URL(`../../${name}`, import.meta.url), 'utf8');
}

/**
 * Starts a worker with its own program, given by its path in the source without extension, such as
 * `stages/pipeline-worker`. The single executable has no files to start it from, and uses a URL that contains the
 * program.
 */
export function startThread(path: string, options: WorkerOptions): Worker {
	// Loaded only when a worker is started, because most runs start none.
	const {Worker: Thread} = process.getBuiltinModule('node:worker_threads');
	const name = `${path.slice(path.lastIndexOf('/') + 1)}.js`;
	if (isSea()) {
		return new Thread(new URL(`data:text/javascript,${encodeURIComponent(getAsset(name, 'utf8'))}`), options);
	}
	const isSource = import.meta.url.endsWith('.ts');
	return new Thread(new URL(isSource ? `../${path}.ts` : name, import.meta.url), options);
}
