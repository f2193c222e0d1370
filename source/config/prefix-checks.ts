/** Checks the prefixes of remote names. */
import type {Blame} from './blame.js';
import type {Settings} from './options.js';
import type {Problem} from './origin.js';

/**
 * Refuses prefixes that a store, a proxy or a file system would resolve to another place: the same configuration must
 * mean the same place at every store.
 */
export function checkPrefixes(settings: Settings, blame: Blame): readonly Problem[] {
	return (['uploadPrefix', 'fleetPrefix'] as const).flatMap(name => {
		const problem = prefixProblem(settings[name]);
		return problem === undefined ? [] : [blame(name, problem)];
	});
}

/**
 * Returns undefined for a usable prefix. It may end with a slash; `a//b` and `./a` mean `a/b` and `a` everywhere, as in
 * pg_back 2.6.
 */
export function prefixProblem(prefix: string): string | undefined {
	const name = JSON.stringify(prefix);
	if (prefix.startsWith('/')) return `${name} begins with a slash: write it without`;
	if (prefix.includes('\0')) return `${name} contains a NUL`;
	if (prefix.split('/').includes('..')) return `${name} has a segment ".."`;
	return undefined;
}
