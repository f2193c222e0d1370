/**
 * Lists a remote directory tree without trusting that it ends, that its names are valid, or that its attributes are
 * correct.
 */
import {compareUtf8} from '../../lib/compare-utf8.js';
import {partialPattern} from '../../lib/files.js';
import {untilAborted} from '../../lib/until-aborted.js';
import {entryDate, entrySize, type RawEntry} from '../listed-entry.js';
import {createUnorderedProgress, endlessListing} from '../listing-progress.js';
import type {Session} from './connection.js';
import {statusOf} from './errors.js';
import {joinPath} from './paths.js';
import {type Entry, isMissingStatus, lstatIfThere} from './requests.js';

export type WalkOptions = {
	readonly signal: AbortSignal;
	readonly after?: string | undefined;
	/** Lists the unfinished files instead of the finished ones. */
	readonly partials?: boolean;
	/** Called with each skipped entry: symbolic links, devices, and names that no file can have. */
	readonly onLeftOut?: (key: string, reason: string) => void;
};

type Child = {
	readonly name: string;
	readonly size: number | undefined;
	readonly modified: number | undefined;
	readonly directory: boolean;
};

/** More entries than any directory of dumps has: a listing that does not end. */
const mostEntries = 1_000_000;
/** More directories than any place for dumps has: a directory that contains itself several times. */
const mostDirectories = 100_000;
/** Bytes; no system has longer paths. A directory that contains itself ends here. */
const longestKey = 4096;
/** `lstat` requests that are sent together. */
const batch = 64;

/**
 * Yields regular files and directories below `root`, in byte order (a directory counts with its slash); one directory
 * at a time is in memory. An unreadable directory is an error.
 */
export async function* walk(
	session: Session,
	root: string,
	prefix: string,
	options: WalkOptions,
): AsyncGenerator<RawEntry> {
	yield* walkBelow({session, root, prefix, read: {directories: 0}}, '', options);
}

type Place = {
	readonly session: Session;
	readonly root: string;
	readonly prefix: string;
	readonly read: {directories: number};
};

async function* walkBelow(place: Place, folder: string, options: WalkOptions): AsyncGenerator<RawEntry> {
	const {prefix} = place;
	const {signal, partials = false} = options;
	const children = await readChildren(place, folder, options);
	// A listing that was interrupted at a directory resumes with its contents.
	const stopped = children.find(child => child.directory && folder + child.name === options.after);
	const after = stopped === undefined ? options.after : `${folder}${stopped.name}/`;
	const passed = (key: string) => after !== undefined && compareUtf8(key, after) <= 0;
	for (const {name, size, modified, directory} of children) {
		signal.throwIfAborted();
		const key = folder + name;
		const object = {key, size: entrySize(size), ...entryDate(modified)};
		if (!directory) {
			if (key.startsWith(prefix) && partialPattern.test(name) === partials && !passed(key)) yield object;
			continue;
		}
		if (key.startsWith(prefix) && !partials && !passed(`${key}/`)) yield {...object, directory};
		const wanted = `${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`);
		if (wanted && !passed(`${key}/\u{10FFFF}`)) yield* walkBelow(place, `${key}/`, {...options, after});
	}
}

async function readChildren(place: Place, folder: string, options: WalkOptions): Promise<Child[]> {
	const {session, root} = place;
	const {signal, onLeftOut} = options;
	if (++place.read.directories > mostDirectories)
		throw endlessListing(`it has more than ${mostDirectories} directories`);
	const path = folder === '' ? root || '.' : joinPath(root, folder.slice(0, -1));
	let entries: readonly Entry[];
	try {
		entries = await readEntries(session, path, {
			signal,
			onBadName: name => onLeftOut?.(folder + name, 'invalid file name'),
		});
	} catch (error) {
		// Removed since its parent was read: another process removes empty directories. The root itself must exist.
		if (folder !== '' && isMissingStatus(error)) return [];
		// Reserved by the system at the root of a file system.
		if (folder === 'lost+found/' && statusOf(error) === 3) return [];
		throw error;
	}
	const children: Child[] = [];
	for (let at = 0; at < entries.length; at += batch) {
		const known = entries.slice(at, at + batch).map(entry => complete(session, path, entry));
		for (const entry of await untilAborted(Promise.all(known), signal)) {
			if (!entry) continue; // removed in the meantime
			const {name, kind, size, modified} = entry;
			const key = folder + name;
			if (kind === 'link' || kind === 'other')
				onLeftOut?.(key, kind === 'link' ? 'a symbolic link' : 'not a regular file');
			else if (Buffer.byteLength(key) > longestKey) onLeftOut?.(key.slice(0, 100), 'its path is too long');
			else children.push({name, size: kind === 'directory' ? 0 : size, modified, directory: kind === 'directory'});
		}
	}
	const order = (child: Child) => (child.directory ? `${child.name}/` : child.name);
	return children.sort((a, b) => compareUtf8(order(a), order(b)));
}

/** Adds what the listing did not contain to an entry. */
async function complete(session: Session, path: string, entry: Entry): Promise<Entry | undefined> {
	if (entry.kind !== undefined && (entry.kind !== 'file' || entry.size !== undefined)) return entry;
	const stats = await lstatIfThere(session.requests, path === '.' ? entry.name : joinPath(path, entry.name));
	if (!stats) return undefined;
	const {kind = entry.kind, size = entry.size, modified = entry.modified} = stats;
	// Without a type it may be a directory: the size of such an entry is not the size of a file.
	return {name: entry.name, kind, size: kind === undefined ? undefined : size, modified};
}

/** Returns the entries of one directory, without `.` and `..`. */
async function readEntries(
	{requests}: Session,
	path: string,
	{signal, onBadName}: {readonly signal: AbortSignal; readonly onBadName: (name: string) => void},
): Promise<readonly Entry[]> {
	const handle = await untilAborted(requests.openDirectory(path), signal);
	const entries = new Map<string, Entry>();
	const bad = new Set<string>();
	try {
		for (const progress = createUnorderedProgress(mostEntries); ;) {
			const page = await untilAborted(requests.readDirectory(handle), signal);
			if (page === undefined) break;
			for (const entry of page) {
				if (isFileName(entry.name)) entries.set(entry.name, entry);
				else bad.add(entry.name);
			}
			progress(entries.size + bad.size);
		}
	} catch (error) {
		requests.close(handle).catch(() => undefined); // the first error wins
		throw error;
	}
	// Everything has been read: a failure to close changes nothing.
	await requests.close(handle).catch((error: unknown) => {
		if (statusOf(error) === undefined) throw error;
	});
	for (const name of bad) if (name !== '.' && name !== '..') onBadName(name);
	return [...entries.values()];
}

function isFileName(name: string): boolean {
	return name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0');
}
