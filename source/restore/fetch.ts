/** Downloads and decryptions of the console: selected files from a remote, or local ones decrypted. */
import {join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import type {FetchRequest} from '../core/handle.js';
import {lstatIfThere} from '../lib/files.js';
import {findTools} from '../postgres/tools.js';
import {isChecksumFile} from '../repository/checksum-files.js';
import {storeOf} from '../repository/locations.js';
import {openRemote} from '../repository/remote.js';
import {downloadBase} from '../repository/remote-keys.js';
import {targetPath} from '../repository/target-path.js';
import type {JobsContext, RunResult, SecretContext, ServerContext} from '../runs/context.js';
import {loadRunDecryption} from '../runs/identities.js';
import {findOptions, verifyTools} from '../runs/prepare-backup.js';
import {runJobs} from '../runs/run-jobs.js';
import type {StorageObject} from '../storage/storage.js';
import {contentsLast} from './contents-last.js';
import {decryptTask, sizesOf} from './decrypt.js';
import {downloadObjects} from './download.js';

export async function runFetch(
	run: ServerContext & SecretContext & JobsContext,
	request: FetchRequest,
): Promise<RunResult> {
	const store = storeOf(request.location);
	if (store === undefined) return runLocalDecrypt(run, request);
	const keys = request.decrypt ? await loadRunDecryption(run) : undefined;
	const readBack = request.verify ? verifyTools(run, await findTools(findOptions(run))) : undefined;
	const remote = await openRemote(run, store);
	try {
		const objects: StorageObject[] = [];
		const checksums = new Set<string>();
		const listed = new Set<string>();
		for (const path of request.keys) {
			const key = `${remote.prefix}${path}`;
			const directory = key.lastIndexOf('/') > remote.prefix.length ? key.slice(0, key.lastIndexOf('/')) : key;
			let found = false;
			for await (const object of remote.storage.list(directory, {signal: run.signal})) {
				listed.add(object.key);
				if (isChecksumFile(object.key)) checksums.add(object.key);
				if (object.key !== key) continue;
				objects.push({...object, key});
				found = true;
			}
			if (!found)
				throw new PgBackError('STORAGE', `${key} does not exist at ${remote.location} any more`, {
					hint: 'refresh the list',
				});
		}
		const {target, force} = request;
		const shared = {run, remote, target, keys, checksums, force, readBack};
		return await downloadObjects(shared, objects, {isWanted: key => !listed.has(key)});
	} finally {
		await remote.close();
	}
}

/**
 * Decrypts into the target, at the path relative to the backup directory; into the same directory when that is the
 * target.
 */
export async function runLocalDecrypt(
	run: SecretContext & JobsContext,
	request: Omit<FetchRequest, 'location' | 'decrypt'>,
): Promise<RunResult> {
	const keys = await loadRunDecryption(run);
	const base = downloadBase(run.configuration.settings.backupDirectory);
	const encrypted = request.keys.filter(key => key.endsWith('.age'));
	if (encrypted.length === 0) throw new PgBackError('NOTHING_TO_DO', 'none of the files is encrypted');
	const pairs = await Promise.all(
		encrypted.map(async key => ({
			path: await targetPath(base, key),
			plainPath: await targetPath(request.target, key.slice(0, -'.age'.length)),
		})),
	);
	const sizes = await sizesOf(pairs.map(({path}) => path));
	return runJobs(run, run.configuration.settings.jobs, locks =>
		contentsLast(
			pairs.map(({path, plainPath}) => ({
				path,
				task: decryptTask({run, locks, keys}, path, {plainPath, force: request.force, bytes: sizes.get(path)}),
			})),
		),
	);
}

/** Returns the existing local files that a request would write. Keys of remotes have `prefix` in front. */
export async function fetchConflicts(request: FetchRequest, prefix: string): Promise<readonly string[]> {
	const isLocal = storeOf(request.location) === undefined;
	const paths = request.keys.flatMap(key => {
		const path = join(request.target, isLocal ? key : `${prefix}${key}`);
		const plain = path.endsWith('.age') && request.decrypt ? [path.slice(0, -'.age'.length)] : [];
		return isLocal ? plain : [path, ...plain];
	});
	const found: string[] = [];
	for (const path of paths) if (await lstatIfThere(path)) found.push(path);
	return found;
}
