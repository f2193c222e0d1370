import type {SFTPWrapper} from 'ssh2';
import {partialPattern} from '../../lib/files.js';
import {compareKeys} from '../keys.js';
import type {StorageObject} from '../storage.js';
import {isMissingStatus, readDirectory} from './requests.js';

export type WalkOptions = {
	readonly signal: AbortSignal;
	readonly after?: string;
	/** The unfinished files instead of the finished ones. */
	readonly partials?: boolean;
};

type Child = {readonly name: string; readonly size: number; readonly modified: number; readonly directory: boolean};

/**
 * Regular files and directories below `root`, in the order of their bytes (a directory counts with its slash); one directory at a
 * time is in memory. Links and other kinds are left out. A directory that may not be read is an error.
 */
export async function* walk(
	sftp: SFTPWrapper,
	root: string,
	prefix: string,
	options: WalkOptions,
): AsyncGenerator<StorageObject> {
	yield* walkBelow(sftp, root, '', prefix, options);
}

async function* walkBelow(
	sftp: SFTPWrapper,
	root: string,
	folder: string,
	prefix: string,
	options: WalkOptions,
): AsyncGenerator<StorageObject> {
	const {signal, partials = false} = options;
	const children = await readChildren(sftp, root, folder, signal);
	// A listing that broke off at a directory goes on with what is in it.
	const stopped = children.find(child => child.directory && folder + child.name === options.after);
	const after = stopped === undefined ? options.after : `${folder}${stopped.name}/`;
	const passed = (key: string) => after !== undefined && compareKeys(key, after) <= 0;
	for (const {name, size, modified, directory} of children) {
		signal.throwIfAborted();
		const key = folder + name;
		if (!directory) {
			if (key.startsWith(prefix) && partialPattern.test(name) === partials && !passed(key)) yield {key, size, modified};
			continue;
		}
		if (key.startsWith(prefix) && !partials && !passed(`${key}/`)) yield {key, size, modified, directory};
		const wanted = `${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`);
		if (wanted && !passed(`${key}/\u{10FFFF}`)) yield* walkBelow(sftp, root, `${key}/`, prefix, {...options, after});
	}
}

async function readChildren(sftp: SFTPWrapper, root: string, folder: string, signal: AbortSignal): Promise<Child[]> {
	const children: Child[] = [];
	const path = folder === '' ? root || '.' : joinPath(root, folder.slice(0, -1));
	try {
		for await (const page of readDirectory(sftp, path)) {
			signal.throwIfAborted();
			for (const {filename, attrs} of page) {
				const directory = attrs.isDirectory();
				if (filename === '.' || filename === '..' || !(directory || attrs.isFile())) continue;
				children.push({name: filename, size: directory ? 0 : attrs.size, modified: attrs.mtime * 1000, directory});
			}
		}
	} catch (error) {
		// Gone since its parent was read: another process removes what is empty. The root itself must be there.
		if (folder === '' || !isMissingStatus(error)) throw error;
		return [];
	}
	const order = (child: Child) => (child.directory ? `${child.name}/` : child.name);
	return children.sort((a, b) => compareKeys(order(a), order(b)));
}

export function joinPath(root: string, key: string): string {
	if (root === '') return key;
	return root === '/' ? `/${key}` : `${root}/${key}`;
}
