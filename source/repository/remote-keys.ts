/** The keys of remote files. */
import {join, posix, relative} from 'node:path';

/** Returns the beginning of every key: `upload_prefix` with a trailing slash, or empty. */
export function listPrefix(uploadPrefix: string): string {
	const cleaned = uploadPrefix === '' ? '' : posix.join(uploadPrefix);
	return cleaned === '' || cleaned === '.' ? '' : cleaned.endsWith('/') ? cleaned : `${cleaned}/`;
}

/**
 * Returns the path of a local file in the manifest: relative to the configured backup directory (with `{dbname}` in it),
 * without leading `../`. `/var/{dbname}/dir` and `/var/b1/dir/b1.dump` give `b1/dir/b1.dump`.
 */
export function manifestPathOf(template: string, path: string): string {
	return relative(template, path).replace(/^(\.\.\/)+/, '');
}

/** Returns the key of a local path: the prefix and the path in the manifest. */
export function remoteKey(template: string, prefix: string, path: string): string {
	const inner = manifestPathOf(template, path);
	return prefix === '' ? inner : posix.join(prefix, inner);
}

/**
 * Returns the directory that a downloaded key belongs to: the fixed part of the backup directory. The inverse of
 * `remoteKey`.
 */
export function downloadBase(template: string): string {
	const segments = template.split('/');
	const variable = segments.findIndex(segment => segment.includes('{dbname}'));
	return variable === -1 ? template : join(segments.slice(0, variable).join('/') || '/');
}
