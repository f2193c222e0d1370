/**
 * Checks that a value of unknown origin (JSON) has the shape of a type, field by field, and names the path of the first
 * mismatch.
 */

export type Decode<T> = (value: unknown, place: string) => T;
export type Decoded<D> = D extends Decode<infer T> ? T : never;

/** The message names the path and what was expected there: `files[3].size: expected a non-negative integer`. */
export class DecodeError extends Error {
	constructor(place: string, kind: string) {
		super(`${place || 'the whole'} is no ${kind}`);
	}
}

function decoder<T>(test: (value: unknown) => value is T, kind: string): Decode<T> {
	return (value, place) => {
		if (!test(value)) throw new DecodeError(place, kind);
		return value;
	};
}

const isString = (value: unknown): value is string => typeof value === 'string';

export const string = decoder(isString, 'string');
export const boolean = decoder((value): value is boolean => typeof value === 'boolean', 'boolean');
/** Decodes a non-negative safe integer. */
export const count = decoder((value): value is number => Number.isSafeInteger(value) && Number(value) >= 0, 'count');

/** Decodes a finite number, since JSON has no other. */
export const number = decoder((value): value is number => Number.isFinite(value), 'number');

/** Decodes a string that passes a test; `kind` describes what is expected. */
export function text(test: (value: string) => boolean, kind: string): Decode<string> {
	return decoder((value): value is string => isString(value) && test(value), kind);
}

export function oneOf<const T extends string>(...choices: readonly T[]): Decode<T> {
	return decoder((value): value is T => choices.some(choice => choice === value), choices.join(' or '));
}

export function list<T>(of: Decode<T>): Decode<T[]> {
	return (value, place) => {
		if (!Array.isArray(value)) throw new DecodeError(place, 'list');
		return value.map((item, index) => of(item, `${place}[${index}]`));
	};
}

/** Decodes an object with arbitrary keys. */
export function dictionary<T>(of: Decode<T>): Decode<Record<string, T>> {
	return (value, place) =>
		Object.fromEntries(entriesOf(value, place).map(([key, item]) => [key, of(item, join(place, key))]));
}

/** Decodes an absent or null value as undefined. */
export function optional<T>(of: Decode<T>): Decode<T | undefined> {
	return (value, place) => (value === undefined || value === null ? undefined : of(value, place));
}

/** Decodes the known fields; other fields and undefined ones are dropped. */
export function object<S extends Record<string, Decode<unknown>>>(shape: S): Decode<{[K in keyof S]: Decoded<S[K]>}> {
	return (value, place) => {
		const fields = new Map(entriesOf(value, place));
		const entries = Object.entries(shape).map(([key, of]) => [key, of(fields.get(key), join(place, key))] as const);
		return Object.fromEntries(entries.filter(([, field]) => field !== undefined)) as {[K in keyof S]: Decoded<S[K]>};
	};
}

function entriesOf(value: unknown, place: string): [string, unknown][] {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DecodeError(place, 'object');
	return Object.entries(value);
}

function join(place: string, key: string): string {
	return place === '' ? key : `${place}.${key}`;
}
