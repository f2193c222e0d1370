/** Checks which keys may become paths. */

import {basename} from 'node:path';
import {partialPattern} from '../lib/files.js';
import {type Operation, storageError} from './errors.js';

const longestSegment = 255;

/** Returns why `key` must not become a path below a directory, or undefined if it may. */
export function keyProblem(key: string): string | undefined {
	if (key === '') return 'the key is empty';
	if (key.includes('\0')) return 'the key contains a NUL';
	if (key.startsWith('/')) return 'the key is an absolute path';
	if (!key.isWellFormed()) return 'the key is not valid Unicode';
	const dots = dotSegmentProblem(key);
	if (dots !== undefined) return dots;
	for (const segment of key.split('/')) {
		if (segment === '') return 'the key has an empty segment';
		if (Buffer.byteLength(segment) > longestSegment) return 'a segment of the key is longer than 255 bytes';
	}
	return undefined;
}

/**
 * Returns why `key` must not be part of the path of a request, or undefined if it may: a proxy or the service may
 * resolve such a segment, and act on an object of another bucket.
 */
export function dotSegmentProblem(key: string): string | undefined {
	const found = /(?:^|\/)(\.\.?)(?:\/|$)/.exec(key)?.[1];
	return found === undefined ? undefined : `the key has a segment "${found}"`;
}

/** Does the same as `keyProblem` for stores with unfinished files, which have names of their own in the same directories. */
export function fileKeyProblem(key: string): string | undefined {
	return (
		keyProblem(key) ?? (partialPattern.test(basename(key)) ? 'the name is reserved for unfinished files' : undefined)
	);
}

/** Checks keys before each operation: throws INVALID for one in which `problemOf` finds a problem. */
export function keyGuard(
	location: string,
	problemOf: (key: string) => string | undefined,
): (key: string, operation: Operation) => void {
	return (key, operation) => {
		const problem = problemOf(key);
		if (problem !== undefined) throw storageError('invalid', {operation, location, key}, problem);
	};
}
