import type {OpenContext} from './storage.js';

/**
 * Returns a function that logs once for each entry that a listing skips, and why: a link that is not followed must not
 * look like a lost backup.
 */
export function leftOutLog(log: OpenContext['log'], location: string): (key: string, reason: string) => void {
	const seen = new Set<string>();
	return (key, reason) => {
		if (seen.has(key) || seen.size >= mostLines) return;
		seen.add(key);
		const more = seen.size === mostLines ? '(further ones are not shown)' : '';
		log('info', `skipped in the listing of ${location}: ${JSON.stringify(key)}, ${reason}${more}`);
	};
}

const mostLines = 20;
