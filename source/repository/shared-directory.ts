/** Checks whether other users can write to the backup directory, or replace it. */
import {realpath, stat} from 'node:fs/promises';
import {dirname} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {fileIdentity} from '../lib/own-file.js';
import type {RunContext} from '../runs/context.js';
import {backupDirectories} from './backup-directories.js';
import {downloadBase} from './remote-keys.js';

/**
 * Warns when every user can write to a sticky directory of ours, or when the mount has no file modes. Throws CONFIG
 * when others can write to any other directory, or to one above it that is not sticky, unless that is allowed.
 */
export async function checkSharedDirectory(run: Pick<RunContext, 'configuration' | 'emit' | 'tag'>): Promise<void> {
	const {backupDirectory, allowSharedDirectory} = run.configuration.settings;
	const base = downloadBase(backupDirectory);
	const all = await backupDirectories(backupDirectory).catch(() => []); // the run itself reports unreadable directories
	for (const directory of new Set([base, ...all])) {
		const found = await describeShared(directory, run.tag);
		if (found === undefined) continue;
		const text = display(found.text);
		if (found.isError && !allowSharedDirectory) {
			throw new PgBackError('CONFIG', `backup directory ${text}`, {
				hint: 'remove write permission for others (chmod o-w), or set allow_shared_directory',
			});
		}
		run.emit({type: 'log', level: 'warn', text: `backup directory ${text}`});
	}
}

type Shared = {readonly text: string; readonly isError: boolean};

async function describeShared(directory: string, tag: string): Promise<Shared | undefined> {
	const path = await realpath(directory).catch(() => undefined); // does not exist yet: we create it with private permissions
	if (path === undefined) return undefined;
	const {mode, uid} = await stat(path);
	if ((mode & 0o002) !== 0) {
		const text = `${path} is writable by every user (mode ${(mode & 0o7777).toString(8)})`;
		const isSticky = (mode & 0o1000) !== 0;
		if (isSticky && uid === process.geteuid?.())
			return {text: `${text}: it is sticky, so that other users cannot replace files`, isError: false};
		const hasModes = await fileIdentity(path, tag).then(
			({keepsModes}) => keepsModes,
			() => true, // the run itself reports that it cannot write
		);
		return hasModes ? {text, isError: true} : {text: `${text}: the mount does not support file modes`, isError: false};
	}
	for (let parent = dirname(path), below = path; below !== parent; below = parent, parent = dirname(parent)) {
		const above = await stat(parent);
		if ((above.mode & 0o1002) === 0o002)
			return {
				text: `${path} can be replaced by every user: ${parent} is writable by all (mode ${(above.mode & 0o7777).toString(8)})`,
				isError: true,
			};
	}
	return undefined;
}
