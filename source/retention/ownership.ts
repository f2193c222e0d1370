/**
 * Finds files of the backup directory that are not ours to purge: several users may store their dumps in one directory.
 */
import {stat} from 'node:fs/promises';
import {fileIdentity} from '../lib/own-file.js';

export type Ownership = {
	/**
	 * Returns why a file with this owner is kept, such as `of another user (uid 1001)`; undefined if it is ours.
	 * `directory` contains it.
	 */
	readonly foreign: (uid: number, directory: string) => Promise<string | undefined>;
};

/**
 * Creates the check. `runTag` names the probe file that shows which owner the file system gives to our files; it is
 * only created when another owner was found.
 */
export function createOwnership(runTag: string): Ownership {
	const ours = new Map<string, Promise<ReadonlySet<number>>>();
	const euid = process.geteuid?.();
	return {
		async foreign(uid, directory) {
			if (euid === undefined || uid === euid) return undefined;
			const owners = ours.get(directory) ?? ownersIn(directory, euid, runTag);
			ours.set(directory, owners);
			return (await owners).has(uid) ? undefined : `of another user (uid ${uid})`;
		},
	};
}

/**
 * Root also acts for the owner of the directory. Mounts (CIFS, NFS with squashed users) give our files another owner.
 */
async function ownersIn(directory: string, euid: number, runTag: string): Promise<ReadonlySet<number>> {
	const path = directory === '' ? '.' : directory;
	const probed = await fileIdentity(path, runTag).then(
		identity => [identity.uid],
		() => [], // nothing can be written here, so nothing can be removed either
	);
	return new Set([euid, ...probed, ...(euid === 0 ? [(await stat(path)).uid] : [])]);
}

/** A run with an unreadable manifest: which server its dumps are of is not known, so all of them are kept. */
export type HiddenRun = {
	/** The path of the manifest. */
	readonly path: string;
	/** Milliseconds since the epoch: the start of the run, from the name of its manifest. */
	readonly from: number;
	/** Milliseconds since the epoch: when the manifest was written, at the end of the run; Infinity if that is not known. */
	readonly until: number;
};
