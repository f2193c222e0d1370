/** Maps keys to paths below the configured directory, which may itself be a link; links below it are not followed. */
import {StorageError} from '../errors.js';
import {statusOf} from './errors.js';
import type {Attributes, Requests} from './requests.js';

export function joinPath(root: string, key: string): string {
	if (root === '') return key;
	return root === '/' ? `/${key}` : `${root}/${key}`;
}

/** Returns the directory of a path: empty for the directory in which the session starts. */
export function parentOf(path: string): string {
	const slash = path.lastIndexOf('/');
	return slash === 0 ? '/' : path.slice(0, Math.max(slash, 0));
}

/**
 * Throws INVALID when a directory of the key is a symbolic link, which could lead anywhere. Returns true when the last
 * one is known to exist.
 */
export async function checkParents(requests: Requests, root: string, key: string): Promise<boolean> {
	const parents = key
		.split('/')
		.slice(0, -1)
		.map((_segment, at, segments) => segments.slice(0, at + 1).join('/'));
	const found = await Promise.all(parents.map(parent => attributesOf(requests, joinPath(root, parent))));
	for (const [index, one] of found.entries()) {
		if (one?.kind !== 'link') continue;
		throw new StorageError('invalid', `${parents[index]} is a symbolic link`, {
			hint: 'set sftp_directory or upload_prefix to the directory that it points to',
		});
	}
	return found.length > 0 && found.at(-1)?.kind === 'directory';
}

/** An unreadable path is left to the operation itself, which reports why. */
async function attributesOf(requests: Requests, path: string): Promise<Attributes | undefined> {
	try {
		return await requests.lstat(path);
	} catch (error) {
		if (statusOf(error) === undefined) throw error;
		return undefined;
	}
}

/**
 * Creates a directory and its missing parents, from the last one up, because usually all exist. A server may return
 * "failure" for one that another process has just created.
 */
export async function makeDirectories(requests: Requests, path: string): Promise<void> {
	if (path === '' || path === '/' || path === '.' || (await isDirectory(requests, path))) return;
	await makeDirectories(requests, parentOf(path));
	try {
		await requests.makeDirectory(path);
	} catch (error) {
		if (statusOf(error) === undefined || !(await isDirectory(requests, path))) throw error;
	}
}

async function isDirectory(requests: Requests, path: string): Promise<boolean> {
	try {
		const {kind} = await requests.stat(path);
		return kind === 'directory' || kind === undefined;
	} catch (error) {
		if (statusOf(error) === undefined) throw error;
		return false;
	}
}
