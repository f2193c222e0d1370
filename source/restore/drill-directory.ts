/**
 * The working directory of a drill, protected by a kernel lock, so that the next drill can detect the directory of a
 * killed one.
 */
import {chmod, lstat, mkdir, mkdtemp, readdir, rename, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';
import type {RunContext} from '../runs/context.js';
import {tryLock} from '../runs/file-lock.js';

export type DrillDirectory = {
	/** Private directory for files that must be stored before they can be restored. */
	readonly work: string;
	/** The path for the scratch server, which does not exist yet; its account can reach it. */
	readonly server: string;
	/** A lock for the server to inherit: its files are not removed while it runs. */
	readonly lock: number;
	/** Removes the whole directory. */
	readonly close: () => Promise<void>;
};

/** Creates the working directory of a drill or a restore, after removing those of killed ones. The caller closes it. */
export async function openDrillDirectory(
	run: Pick<RunContext, 'configuration' | 'emit' | 'env'>,
	kind: 'drill' | 'restore' = 'drill',
): Promise<DrillDirectory> {
	const parent = workParent(run, kind);
	const prefix = `pg_back-${kind}-`;
	await sweepDrills(run, parent, kind);
	// Another process would remove a directory with a lock that is not held yet, so it gets its name when the lock is
	// held.
	const unnamed = await mkdtemp(join(parent, `${prefix}new-`));
	const path = join(parent, `${prefix}${unnamed.slice(-6)}`);
	let ours = unnamed;
	try {
		const lock = await tryLock(join(unnamed, 'lock'), run.env);
		if (!lock) throw new PgBackError('LOCKED', `another process holds the lock of ${unnamed}, which was just created`);
		await rename(unnamed, path);
		ours = path;
		await chmod(path, 0o711);
		const work = join(path, 'work');
		await mkdir(work, {mode: 0o700});
		return {
			work,
			server: join(path, 'server'),
			lock: lock.descriptor,
			async close() {
				await rm(path, {recursive: true, force: true});
				await lock.release();
			},
		};
	} catch (error) {
		await rm(ours, {recursive: true, force: true});
		throw error;
	}
}

/** Returns the parent of those directories. */
export function workParent(run: Pick<RunContext, 'configuration' | 'env'>, kind: 'drill' | 'restore'): string {
	const {drillDirectory, restoreDirectory} = run.configuration.settings;
	return (kind === 'drill' ? drillDirectory : restoreDirectory) || (run.env['TMPDIR'] ?? tmpdir());
}

/** Removes the directories of killed restores, which hold decrypted dumps. */
export async function sweepRestoreDirectories(run: Pick<RunContext, 'configuration' | 'emit' | 'env'>): Promise<void> {
	await sweepDrills(run, workParent(run, 'restore'), 'restore');
}

/**
 * Removes only directories of our own account with a free lock; one without a lock file belongs to a drill that is just
 * starting.
 */
async function sweepDrills(
	run: Pick<RunContext, 'emit' | 'env'>,
	parent: string,
	kind: 'drill' | 'restore',
): Promise<void> {
	const pattern = kind === 'drill' ? /^pg_back-drill-\w{6}$/ : /^pg_back-restore-\w{6}$/;
	for (const name of await readdir(parent)) {
		if (!pattern.test(name)) continue;
		const path = join(parent, name);
		const stats = await lstatIfThere(path);
		if (!stats?.isDirectory() || stats.uid !== process.getuid?.()) continue;
		const guard = join(path, 'lock');
		if (!(await lstat(guard).catch(() => undefined))?.isFile()) continue; // or it is being removed
		const lock = await tryLock(guard, run.env, {create: false}).catch(ignoreGone);
		if (!lock) continue; // that drill, or its server, is running
		await rm(path, {recursive: true, force: true});
		await lock.release();
		run.emit({type: 'log', level: 'info', text: `removed ${path}: left by a ${kind} that was killed`});
	}
}

/** Another process has removed it already. */
function ignoreGone(error: unknown): undefined {
	if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
