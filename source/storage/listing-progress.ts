/** Aborts a listing that makes no progress: the same token again, or page after page without a new key. */
import {compareUtf8} from '../lib/compare-utf8.js';
import {StorageError} from './errors.js';

/** Accepted pages without a new key: services may return empty pages while they search. */
const mostEmptyPages = 100;

/** Called with each page before the next is requested; throws when the listing would not end. One for each listing. */
export type ListingProgress = (keys: readonly string[], nextToken: string | undefined) => void;

/** Creates the check. Only a key after all earlier ones is progress, because services list keys in order. */
export function createListingProgress(): ListingProgress {
	let last: string | undefined;
	let token: string | undefined;
	let without = 0;
	return (keys, nextToken) => {
		const before = last;
		for (const key of keys) if (last === undefined || compareUtf8(key, last) > 0) last = key;
		without = last === before ? without + 1 : 0;
		if (!nextToken) return;
		if (nextToken === token) throw endlessListing('it returns the same page token again');
		if (without > mostEmptyPages) throw endlessListing(`${without} pages without a new key`);
		token = nextToken;
	};
}

/** Creates the check for a listing in no order: called after each page with the number of different names. */
export function createUnorderedProgress(most: number): (names: number) => void {
	let before = 0;
	let without = 0;
	return names => {
		without = names > before ? 0 : without + 1;
		before = names;
		if (without > mostEmptyPages) throw endlessListing(`${without} pages came without a new name`);
		if (names > most) throw endlessListing(`it has more than ${most} names`);
	};
}

export function endlessListing(what: string): StorageError {
	return new StorageError('invalid', `the listing does not end: ${what}`, {
		hint: 'the service does not paginate its listings correctly: check its address and version',
	});
}
