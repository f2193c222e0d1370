import {distance} from 'fastest-levenshtein';

/** Returns the candidate nearest to `word`, if it is near enough to be what the user meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
	if (word.length > 100) return undefined;
	const wanted = normalize(word);
	let best: string | undefined;
	let bestDistance = (wanted.length === 2 ? 1 : Math.min(3, Math.floor(wanted.length / 3))) + 1;
	for (const candidate of candidates) {
		// The difference in length is a lower bound of the distance, which avoids most comparisons.
		if (Math.abs(wanted.length - candidate.length) >= bestDistance) continue;
		const away = difference(wanted, normalize(candidate));
		if (away < bestDistance) {
			best = candidate;
			bestDistance = away;
		}
	}
	return best ?? onlyOneThatBegins(wanted, candidates);
}

/** Returns how many letters to insert, delete or replace; a swap of two neighbors counts once. */
function difference(a: string, b: string): number {
	let least = distance(a, b);
	for (let index = 0; index + 1 < a.length && least > 1; index++) {
		const swapped = `${a.slice(0, index)}${a.charAt(index + 1)}${a.charAt(index)}${a.slice(index + 2)}`;
		least = Math.min(least, 1 + distance(swapped, b));
	}
	return least;
}

function onlyOneThatBegins(word: string, candidates: readonly string[]): string | undefined {
	const longer = candidates.filter(candidate => word.length > 1 && normalize(candidate).startsWith(word));
	return longer.length === 1 ? longer[0] : undefined;
}

/** Returns `, did you mean X?` or an empty string. */
export function didYouMean(word: string, candidates: readonly string[], prefix = ''): string {
	const found = nearest(word, candidates);
	return found === undefined ? '' : `, did you mean ${prefix}${found}?`;
}

function normalize(word: string): string {
	return word.toLowerCase().replaceAll('_', '-');
}
