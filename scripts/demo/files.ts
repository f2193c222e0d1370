/** What the demo finds in a directory of dumps. */
import {readdir, stat} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';
import {capture} from './command.js';

/** The dumps in words: how many, and how large. Manifests and checksum files are none. */
export async function describeDumps(directory: string): Promise<{readonly text: string}> {
	const names = await readdir(directory, {recursive: true});
	const dumps = names.filter(name => !/\.sha256(?:\.age)?$|\.(?:manifest|private|proven)\.json(?:\.age)?$/.test(name));
	const databases = dumps.filter(name => /\.dump(?:\.age)?$/.test(name));
	let bytes = 0;
	for (const name of dumps) bytes += (await stat(join(directory, name))).size;
	const others = dumps.length - databases.length;
	return {text: `${databases.length} databases and ${others} other files, ${(bytes / 1024 / 1024).toFixed(1)} MiB`};
}

/** Checks all checksum files by the system's own sha256sum, in the directory of the files; returns how many files were read. */
export async function verifyChecksums(directory: string, signal: AbortSignal): Promise<number> {
	const checksums = (await readdir(directory, {recursive: true})).filter(name => name.endsWith('.sha256'));
	let files = 0;
	for (const name of checksums) {
		const path = join(directory, name);
		const cwd = dirname(path);
		const output = await capture('sha256sum', ['-c', '--', relative(cwd, path)], {cwd, signal});
		files += output.trim().split('\n').length;
	}
	if (files === 0) throw new Error(`no checksum file in ${directory}`);
	return files;
}
