import {distance} from 'fastest-levenshtein';

/** The candidate nearest to `word`, if it is near enough to be what was meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
	const wanted = normalize(word);
	let best: string | undefined;
	let bestDistance = Math.min(3, Math.floor(wanted.length / 3)) + 1;
	if (word.length > 100) return undefined;
	for (const candidate of candidates) {
		const away = distance(wanted, normalize(candidate));
		if (away < bestDistance) {
			best = candidate;
			bestDistance = away;
		}
	}
	return best;
}

/** `, did you mean X?` or nothing. */
export function didYouMean(word: string, candidates: readonly string[], prefix = ''): string {
	const found = nearest(word, candidates);
	return found === undefined ? '' : `, did you mean ${prefix}${found}?`;
}

function normalize(word: string): string {
	return word.toLowerCase().replaceAll('_', '-');
}
