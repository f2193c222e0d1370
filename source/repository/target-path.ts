import {lstat} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {isHidden} from '../lib/hidden.js';
import {keyProblem} from '../storage/object-keys.js';

/**
 * Returns the path that a key may be written to. Throws STORAGE for a key that would leave the directory, by its text
 * or through a link, and for a hidden name, since pg_back uses some. `prefix` is the configured part of the key.
 */
export async function targetPath(directory: string, key: string, prefix = ''): Promise<string> {
	const problem = keyProblem(key) ?? nameProblem(key, prefix);
	if (problem !== undefined) throw new PgBackError('STORAGE', `refused to download ${display(key)}: ${problem}`);
	const path = join(directory, key);
	let parent = resolve(directory);
	for (const segment of key.split('/').slice(0, -1)) {
		parent = join(parent, segment);
		const stats = await lstatIfThere(parent);
		if (stats === undefined) break;
		if (!(await lstat(parent)).isDirectory()) {
			throw new PgBackError('STORAGE', `refused to download ${display(key)}: ${display(parent)} is not a directory`);
		}
	}
	return path;
}

function nameProblem(key: string, prefix: string): string | undefined {
	if (/[\u0000-\u001F\u007F]/.test(key)) return 'the key contains control characters';
	return isHidden(key.startsWith(prefix) ? key.slice(prefix.length) : key)
		? 'a segment of the key begins with a dot'
		: undefined;
}
