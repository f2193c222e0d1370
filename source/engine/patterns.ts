import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {compileGlob} from '../lib/glob.js';
import {parsePath} from '../retention/names.js';

/**
 * One matcher for every command: a pattern selects a file when it matches its whole key, the key without the upload prefix, or
 * the base name of a file that pg_back names (a member of a directory dump is none: `*` never means what lies in directories).
 * No pattern selects everything. Throws USAGE for malformed patterns.
 */
export function selector(patterns: readonly string[], prefix = ''): (key: string) => boolean {
	if (patterns.length === 0) return () => true;
	const globs = patterns.map(pattern => {
		const glob = compileGlob(pattern);
		if (!glob) {
			throw new PgBackError('USAGE', `malformed pattern ${display(pattern)}`, {
				hint: 'write a literal [ ] * ? with a backslash before it',
			});
		}
		return glob;
	});
	return key => {
		const inner = prefix !== '' && key.startsWith(prefix) ? key.slice(prefix.length) : key;
		if (globs.some(glob => glob(key) || glob(inner))) return true;
		const base = key.slice(key.lastIndexOf('/') + 1);
		return globs.some(glob => glob(base)) && isFileOfOurs(key);
	};
}

function isFileOfOurs(key: string): boolean {
	const name = parsePath(key);
	return name !== undefined && name.member === undefined;
}
