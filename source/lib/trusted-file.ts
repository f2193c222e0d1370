/** Checks whether anyone except root and our own user can change the target of a path. */
import {constants} from 'node:fs';
import {readFileSync, type Stats} from 'node:fs';
import {access, lstat, readlink, stat} from 'node:fs/promises';
import {dirname, join, resolve} from 'node:path';
import type {Environment} from './environment.js';

export type Trust = {
	/** Why the file must not be trusted or executed, such as `/tmp/x is writable by every user (mode 0777)`. */
	readonly problem?: string;
	/** Why it is only weakly protected: members of a group can change it. */
	readonly weakness?: string;
};

/**
 * Checks the file, every directory in its path and every symbolic link. A missing or unreachable file is not judged:
 * the code that opens it reports that. With `executed` the file's own directory must not be writable by every user,
 * even if sticky.
 */
export async function whyUntrusted(path: string, {executed = false} = {}): Promise<Trust> {
	const left = resolve(path).split('/').filter(Boolean);
	let at = '/';
	let links = 0;
	let weakness: string | undefined;
	let shared = false;
	for (;;) {
		const stats = await lstat(at).catch(() => undefined); // missing, or not accessible
		const isReachable = stats !== undefined && (stats.isDirectory() || stats.isSymbolicLink() || left.length === 0);
		if (!isReachable) return {...(weakness !== undefined && {weakness})};
		if (!stats.isSymbolicLink() || shared) {
			const problem = problemOf(at, stats, {executed, holdsFile: left.length === 1});
			if (problem !== undefined) return {problem};
		}
		if (stats.isSymbolicLink()) {
			if (++links > 40) return {problem: `${path} has too many levels of symbolic links`};
			const target = await readlink(at).catch(() => undefined);
			if (target === undefined) return {};
			left.unshift(...target.split('/').filter(part => part !== '' && part !== '.'));
			at = target.startsWith('/') ? '/' : dirname(at); // checked again, as the directory from which the target is resolved
			continue;
		}
		shared = (stats.mode & 0o022) !== 0;
		weakness ??= weaknessOf(at, stats);
		const next = left.shift();
		if (next === undefined) return {...(weakness !== undefined && {weakness})};
		at = next === '..' ? dirname(at) : join(at, next);
	}
}

function problemOf(
	path: string,
	stats: Stats,
	{executed, holdsFile}: {readonly executed: boolean; readonly holdsFile: boolean},
): string | undefined {
	const {mode, uid} = stats;
	if (!isTrustedOwner(uid)) return `${path} is owned by another user (uid ${uid})`;
	if (stats.isSymbolicLink() || (mode & 0o002) === 0) return undefined;
	const isSticky = stats.isDirectory() && (mode & 0o1000) !== 0;
	if (isSticky && !(executed && holdsFile)) return undefined;
	return `${path} is writable by every user (mode ${octal(mode)})`;
}

function weaknessOf(path: string, stats: Stats): string | undefined {
	const isSticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
	if ((stats.mode & 0o020) === 0 || isSticky || stats.gid === 0 || isOwnGroup(stats.gid)) return undefined;
	return `${path} is writable by members of the group ${stats.gid} (mode ${octal(stats.mode)})`;
}

/**
 * Returns true for a group with the name of our user and no other member: what ordinary users create on Debian 13 is
 * writable by that.
 */
function isOwnGroup(gid: number): boolean {
	if (gid !== process.getegid?.()) return false;
	try {
		const [users, groups] = ['/etc/passwd', '/etc/group'].map(path =>
			readFileSync(path, 'utf8')
				.split('\n')
				.map(line => line.split(':')),
		);
		const ofGroup = users?.filter(fields => fields[3] === String(gid)) ?? [];
		const own = ofGroup.find(fields => fields[2] === String(process.geteuid?.()))?.[0];
		const group = groups?.find(fields => fields[2] === String(gid));
		return own !== undefined && ofGroup.length === 1 && group?.[0] === own && ['', own].includes(group[3] ?? '');
	} catch {
		return false; // unknown
	}
}

function octal(mode: number): string {
	return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** Returns true for root and our own user. */
export function isTrustedOwner(uid: number): boolean {
	return uid === 0 || uid === process.geteuid?.() || (uid === overflowUid && inUserNamespace());
}

/** Returns true for a directory, not a link, that only our own user can read and change. */
export async function isPrivateDirectory(path: string): Promise<boolean> {
	const stats = await lstat(path).catch(() => undefined); // missing, or not accessible
	return stats !== undefined && stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0;
}

/** The uid that the kernel shows for owners without a number in our user namespace, such as the root of the host. */
const overflowUid = 65_534;

let namespaced: boolean | undefined;

function inUserNamespace(): boolean {
	namespaced ??= readNamespace();
	return namespaced;
}

function readNamespace(): boolean {
	try {
		return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
	} catch {
		return false; // not Linux
	}
}

/**
 * Finds the program that a command starts: the path itself, or the first executable file of that name in PATH.
 * Undefined when there is none. With `trusted`, candidates that other users can change are skipped.
 */
export async function programPath(
	command: string,
	env: Environment,
	{trusted = false} = {},
): Promise<string | undefined> {
	if (command.includes('/')) return command;
	for (const directory of (env['PATH'] ?? '').split(':')) {
		const path = join(directory === '' ? '.' : directory, command);
		if (!(await isExecutable(path))) continue;
		if (!trusted || (await whyUntrusted(path, {executed: true})).problem === undefined) return path;
	}
	return undefined;
}

/** Returns true for a regular file that we may execute. */
export async function isExecutable(path: string): Promise<boolean> {
	try {
		await access(path, constants.X_OK);
		return (await stat(path)).isFile();
	} catch (error) {
		if (typeof (error as NodeJS.ErrnoException).code === 'string') return false; // missing, or not accessible
		throw error;
	}
}
