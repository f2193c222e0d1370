import {readdir, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {describeSystemError, isSystemError, PgBackError} from '../core/errors.js';

/**
 * The directories that a backup directory stands for: itself, or, where `{dbname}` is in it, every existing one that has a name in
 * its place. Throws FILE_SYSTEM when what must be there cannot be read.
 */
export async function backupDirectories(template: string): Promise<readonly string[]> {
	const segments = template.split('/');
	const absolute = template.startsWith('/');
	let paths = [absolute ? '/' : '.'];
	for (const segment of segments.filter(one => one !== '' && one !== '.')) {
		paths = segment.includes('{dbname}') ? await matching(paths, segment) : paths.map(path => join(path, segment));
	}
	return paths;
}

async function matching(parents: readonly string[], segment: string): Promise<string[]> {
	const pattern = new RegExp(`^${segment.split('{dbname}').map(escapeRegExp).join('.+')}$`, 's');
	const found: string[] = [];
	for (const parent of parents) {
		for (const entry of await readDirectory(parent)) {
			if (pattern.test(entry.name) && !entry.name.startsWith('.') && (entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(parent, entry.name)))))) {
				found.push(join(parent, entry.name));
			}
		}
	}
	return found.toSorted();
}

export async function readDirectory(path: string) {
	try {
		const entries = await readdir(path, {withFileTypes: true});
		return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
	} catch (error) {
		const why = isSystemError(error) ? describeSystemError(error) : String(error);
		throw new PgBackError('FILE_SYSTEM', `unable to read directory ${path}: ${why}`, {cause: error, hint: 'check backup_directory (-b)'});
	}
}

async function isDirectory(path: string): Promise<boolean> {
	return stat(path).then(
		stats => stats.isDirectory(),
		() => false, // a dangling link
	);
}

function escapeRegExp(text: string): string {
	return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
