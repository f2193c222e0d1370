import {createHash} from 'node:crypto';
import {join} from 'node:path';

/**
 * Returns the path of a temporary file for a restore, by its purpose: names of databases may be equal in all characters
 * that a file name can have.
 */
export function workPath(directory: string, key: string, extension: string): string {
	return join(directory, `${createHash('sha256').update(key).digest('hex').slice(0, 24)}.${extension}`);
}
