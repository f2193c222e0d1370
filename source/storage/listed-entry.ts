/** Entries of listings with facts that are missing or cannot be read: one of them must not hide the others. */
import {display} from '../lib/display.js';
import {type Operation, StorageError, storageError} from './errors.js';
import type {OpenContext, StorageObject} from './storage.js';

/** An entry as a service lists it: the size may be missing or invalid. */
export type RawEntry = Omit<StorageObject, 'size'> & {readonly size: number | undefined};

export type EntryDate = Pick<StorageObject, 'modified' | 'doubt'>;

/** The end of the year 9999, in milliseconds since the epoch. */
const latest = 253_402_300_800_000;

/**
 * Returns the date of an entry: a text, or milliseconds since the epoch. Without one, nothing is known; one that cannot
 * be read, or is not between 1970 and 9999, casts doubt on the entry.
 */
export function entryDate(date: string | number | undefined): EntryDate {
	if (date === undefined || date === '') return {};
	const modified = typeof date === 'number' ? date : Date.parse(date);
	if (modified >= 0 && modified < latest) return {modified};
	const shown = typeof date === 'string' ? ` ${JSON.stringify(display(date.slice(0, 40)))}` : '';
	return {doubt: `the service reports an invalid date${shown} for it`};
}

/** Returns undefined for anything but a count of bytes. */
export function entrySize(size: string | number | undefined): number | undefined {
	const bytes = typeof size === 'string' ? (/^\s*\d+\s*$/.test(size) ? Number(size) : NaN) : size;
	return bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}

type CompleteOptions = {
	readonly location: string;
	readonly log: OpenContext['log'];
	/** Returns the size of one object from a request of its own; undefined when it no longer exists. */
	readonly sizeOf: (key: string) => Promise<number | undefined>;
	/** Warns once for each key. */
	readonly seen: Set<string>;
};

/** Entries without a size for which nothing else helped either: the next request would not help. */
const mostFailures = 10;
/** Warnings of one store. */
const mostLines = 20;

/**
 * Adds missing sizes by requests of their own. An entry whose size remains unknown is left out with a warning, because
 * 0 would be wrong; an entry in doubt is kept, with a warning. Throws when no entry has a size: that is not an empty
 * place.
 */
export async function* completeEntries(
	entries: AsyncIterable<RawEntry>,
	{location, log, sizeOf, seen}: CompleteOptions,
): AsyncGenerator<StorageObject> {
	const warn = (key: string, text: string) => {
		if (seen.has(key) || seen.size >= mostLines) return;
		seen.add(key);
		const more = seen.size === mostLines ? ' (further ones are not shown)' : '';
		log('warn', `${display(key)} at ${display(location)}: ${text}${more}`);
	};
	let complete = 0;
	let failures = 0;
	for await (const entry of entries) {
		let {size} = entry;
		if (size === undefined && failures < mostFailures) {
			const found = await findSize(entry.key, sizeOf);
			if (found === 'gone') continue;
			size = found;
		}
		if (size === undefined) {
			failures++;
			warn(entry.key, 'left out of the listing, because the service does not report its size');
			continue;
		}
		complete++;
		if (entry.doubt !== undefined)
			warn(entry.key, `${entry.doubt}: it is not purged, and does not count as a good dump`);
		yield size === entry.size ? (entry as StorageObject) : {...entry, size};
	}
	if (failures > 0 && complete === 0) {
		const where: {operation: Operation; location: string} = {operation: 'list', location};
		throw storageError('unsupported', where, 'the service does not report the size of any object', {
			hint: 'this service gives too little information to list backups: use a different one',
		});
	}
}

async function findSize(key: string, sizeOf: CompleteOptions['sizeOf']): Promise<number | undefined | 'gone'> {
	try {
		const size = await sizeOf(key);
		return size === undefined ? 'gone' : size;
	} catch (error) {
		if (error instanceof StorageError && !['network', 'timeout', 'throttled'].includes(error.fault)) return undefined;
		throw error;
	}
}
