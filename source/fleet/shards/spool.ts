/**
 * The directory in which one process of a divided run writes its files before they are uploaded. It is private to the
 * process: a second process for the same shard on the same host must not find its files. Leftovers of killed processes
 * are removed.
 */
import {mkdir, readdir, rm} from 'node:fs/promises';
import {join, relative} from 'node:path';
import {messageOf} from '../../core/errors.js';
import {display} from '../../lib/display.js';
import {downloadBase} from '../../repository/remote-keys.js';
import type {ConfiguredContext, JobsContext, RunContext} from '../../runs/context.js';
import {runIsAlive, RunLocks} from '../../runs/run-locks.js';

export type Spool = {
	/** Replaces backup_directory, including `{dbname}`. */
	readonly template: string;
	/** Runs (six characters each) with leftovers here. */
	readonly dead: ReadonlySet<string>;
	/** Removes the directory with all of its files. */
	readonly remove: () => Promise<void>;
};

const pattern = /^\.pg_back-shard-([a-z0-9]{6})$/;

/** Throws FILE_SYSTEM when nothing can be created in the backup directory. */
export async function openSpool(run: ConfiguredContext & JobsContext): Promise<Spool> {
	const {backupDirectory} = run.configuration.settings;
	const base = downloadBase(backupDirectory);
	const own = join(base, `.pg_back-shard-${run.tag}`);
	const locks = new RunLocks(run);
	// The lock shows that this process is alive, so it is created before the directory.
	await locks.directoryOf(own);
	try {
		const dead = await removeDead(run, base);
		await mkdir(own, {mode: 0o700});
		return {
			template: join(own, relative(base, backupDirectory)),
			dead,
			async remove() {
				await rm(own, {recursive: true, force: true});
				await locks.release();
			},
		};
	} catch (error) {
		await locks.release();
		throw error;
	}
}

async function removeDead(run: Pick<RunContext, 'emit' | 'env' | 'tag'>, base: string): Promise<ReadonlySet<string>> {
	const dead = new Set<string>();
	for (const entry of await readdir(base, {withFileTypes: true})) {
		const tag = pattern.exec(entry.name)?.[1];
		if (tag === undefined || tag === run.tag || !entry.isDirectory() || (await runIsAlive(base, tag, run.env)))
			continue;
		const path = join(base, entry.name);
		try {
			await rm(path, {recursive: true});
			dead.add(tag);
			run.emit({type: 'log', level: 'info', text: display(`removed ${path}: left by a shard that was killed`)});
		} catch (error) {
			run.emit({type: 'log', level: 'warn', text: display(`could not remove ${path}: ${messageOf(error)}`)});
		}
	}
	return dead;
}
