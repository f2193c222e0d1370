import {readdir, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {isSystemError, PgBackError, systemReason} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';

/**
 * Returns the existing directories that match the backup directory: itself or, if it contains `{dbname}`, every
 * directory with a name in that place. Throws FILE_SYSTEM when a directory that must exist cannot be read.
 */
export async function backupDirectories(template: string): Promise<readonly string[]> {
	let paths = [template.startsWith('/') ? '/' : '.'];
	let varies = false;
	for (const segment of template.split('/').filter(one => one !== '' && one !== '.')) {
		if (segment.includes('{dbname}')) {
			paths = await matching(varies ? await directoriesOf(paths) : paths, segment);
			varies = true;
		} else paths = paths.map(path => join(path, segment));
	}
	return varies ? directoriesOf(paths) : paths;
}

async function matching(parents: readonly string[], segment: string): Promise<string[]> {
	const pattern = new RegExp(`^${segment.split('{dbname}').map(escapeRegExp).join('.+')}$`, 's');
	const found: string[] = [];
	for (const parent of parents) {
		for (const {name} of await readDirectory(parent)) {
			if (pattern.test(name) && !name.startsWith('.')) found.push(join(parent, name));
		}
	}
	return (await directoriesOf(found)).toSorted();
}

async function directoriesOf(paths: readonly string[]): Promise<string[]> {
	const are = await Promise.all(paths.map(path => isDirectory(path)));
	return paths.filter((_, index) => are[index]);
}

export async function readDirectory(path: string) {
	try {
		const entries = await readdir(path, {withFileTypes: true});
		return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
	} catch (error) {
		const why = isSystemError(error) ? systemReason(error) : String(error);
		throw new PgBackError('FILE_SYSTEM', `unable to read directory ${path}: ${why}`, {
			cause: error,
			hint: 'check backup_directory (-b)',
		});
	}
}

/** Returns no entries for a directory that does not exist: there is no backup yet. A dangling link is an error. */
export async function readDirectoryIfThere(path: string): ReturnType<typeof readDirectory> {
	return (await lstatIfThere(path)) === undefined ? [] : readDirectory(path);
}

async function isDirectory(path: string): Promise<boolean> {
	return stat(path).then(
		stats => stats.isDirectory(),
		() => false, // missing, or a dangling link
	);
}

function escapeRegExp(text: string): string {
	return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
