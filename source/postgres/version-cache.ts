/**
 * The versions of programs, kept between runs in the cache directory of our own user, because asking a program takes as
 * long as starting it. An entry applies to exactly one file (device, inode, size, times of change). Only binaries are
 * cached, because a script may start another program later. A cache that is unreadable, or not ours, is ignored.
 */
import type {BigIntStats} from 'node:fs';
import {mkdir, open, rename, rm, writeFile} from 'node:fs/promises';
import {userInfo} from 'node:os';
import {dirname, join} from 'node:path';
import {readSmallFile} from '../lib/own-file.js';

/** Bytes: a few hundred entries. */
const longest = 65_536;
const mostEntries = 100;

/** Returns a key for the current file behind `path`. */
export function programKey(path: string, {dev, ino, size, mtimeNs, ctimeNs}: BigIntStats): string {
	return [path, dev, ino, size, mtimeNs, ctimeNs].join('\0');
}

/** Keyed by `programKey`, such as 150018. */
export type VersionCache = {
	readonly get: (key: string) => number | undefined;
	/** Saves the version of `path` for later runs; never throws. */
	readonly add: (key: string, path: string, version: number) => Promise<void>;
};

/** Opens the cache. `file` is its path; undefined: no cache. Never throws. */
export async function openVersionCache(file = cacheFile()): Promise<VersionCache> {
	const versions = file === undefined ? new Map<string, number>() : await readCache(file);
	return {
		get: key => versions.get(key),
		async add(key, path, version) {
			if (file === undefined || !(await isBinary(path))) return;
			const isSame = (other: string) => other.slice(0, other.indexOf('\0')) === path;
			for (const other of [...versions.keys()].filter(isSame)) versions.delete(other);
			versions.set(key, version);
			await writeCache(file, versions).catch(() => undefined); // asked again next time
		},
	};
}

function cacheFile(): string | undefined {
	try {
		return join(userInfo().homedir, '.cache/pg_back/tool-versions.json');
	} catch {
		return undefined; // a user without an entry in the system's list has no home
	}
}

async function readCache(file: string): Promise<Map<string, number>> {
	try {
		const {bytes, stats} = await readSmallFile(file, longest);
		if (stats.uid !== process.geteuid?.() || (stats.mode & 0o022) !== 0) return new Map();
		const entries: unknown = JSON.parse(bytes.toString());
		return new Map(Array.isArray(entries) ? entries.filter(isEntry) : []);
	} catch {
		return new Map(); // missing, or not what we wrote
	}
}

function isEntry(entry: unknown): entry is [string, number] {
	if (!Array.isArray(entry) || entry.length !== 2) return false;
	const [key, version] = entry as unknown[];
	return typeof key === 'string' && Number.isSafeInteger(version) && (version as number) > 0;
}

async function writeCache(file: string, versions: ReadonlyMap<string, number>): Promise<void> {
	await mkdir(dirname(file), {recursive: true, mode: 0o700});
	const partial = `${file}.${process.pid}`;
	try {
		const text = JSON.stringify([...versions].slice(-mostEntries));
		await writeFile(partial, text, {flag: 'wx', mode: 0o600});
		await rename(partial, file);
	} catch (error) {
		await rm(partial, {force: true});
		throw error;
	}
}

/** Returns true for an ELF or Mach-O file, which prints its own version. */
async function isBinary(path: string): Promise<boolean> {
	const handle = await open(path).catch(() => undefined); // executable, but not readable
	if (!handle) return false;
	try {
		const {buffer, bytesRead} = await handle.read(Buffer.alloc(4), 0, 4, 0);
		const magic = buffer.toString('hex');
		return bytesRead === 4 && ['7f454c46', 'cffaedfe', 'cafebabe'].includes(magic);
	} finally {
		await handle.close();
	}
}
