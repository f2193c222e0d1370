/** Where a drill works: a directory of its own, guarded by a lock of the kernel, so that the next drill can tell a dead one's. */
import {chmod, lstat, mkdir, mkdtemp, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';
import type {RunContext} from './context.js';
import {tryLock} from './lock.js';

export type DrillDirectory = {
	/** For what has to be a file before it can be restored; ours alone. */
	readonly work: string;
	/** For the scratch server: not there yet; its account may pass through to it. */
	readonly server: string;
	/** To be inherited by the server: what it uses is not swept while it lives. */
	readonly lock: number;
	/** Removes all of it. */
	readonly close: () => Promise<void>;
};

const prefix = 'pg_back-drill-';

/** Sweeps what killed drills left there, and makes a new one. The caller closes it. */
export async function openDrillDirectory(run: RunContext): Promise<DrillDirectory> {
	const parent = run.configuration.settings.drillDirectory || (run.env['TMPDIR'] ?? tmpdir());
	await sweepDrills(run, parent);
	const path = await mkdtemp(join(parent, prefix));
	try {
		const lock = await tryLock(join(path, 'lock'), run.env);
		if (!lock) throw new PgBackError('LOCKED', `another process holds the lock of ${path}, which is new`);
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
		await rm(path, {recursive: true, force: true});
		throw error;
	}
}

/** Only directories of our own account with a lock that is free: where there is no lock yet, a drill is just beginning. */
async function sweepDrills(run: RunContext, parent: string): Promise<void> {
	for (const name of await readdir(parent)) {
		if (!/^pg_back-drill-\w{6}$/.test(name)) continue;
		const path = join(parent, name);
		const stats = await lstatIfThere(path);
		if (!stats?.isDirectory() || stats.uid !== process.getuid?.()) continue;
		const guard = join(path, 'lock');
		if (!(await lstat(guard).catch(() => undefined))?.isFile()) continue; // or it is being removed
		const lock = await tryLock(guard, run.env);
		if (!lock) continue; // that drill, or its server, lives
		await rm(path, {recursive: true, force: true});
		await lock.release();
		run.emit({type: 'log', level: 'info', text: `removed ${path}: left by a drill that was killed`});
	}
}
