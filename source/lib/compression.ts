/** Parses a compression setting: a level, `auto`, or METHOD[:DETAIL] as accepted by pg_dump since 16. */
import {parseInteger} from './integer.js';
import type {Parsed} from './parsed.js';

export const compressionMethods = ['none', 'gzip', 'lz4', 'zstd'] as const;
export type CompressionMethod = (typeof compressionMethods)[number];

/** A level from -1 (pg_dump's default) to 9, `auto`, or the text of a method with its details. */
export type Compression = number | string;

const detail = String.raw`(?:level=-?\d+|workers=\d+|long(?:=(?:on|off|true|false|yes|no|1|0))?)`;
const pattern = new RegExp(
	`^(?<method>${compressionMethods.join('|')})(?::(?:(?<level>-?\\d+)(?:,${detail})*|${detail}(?:,${detail})*))?$`,
);

export function parseCompression(text: string): Parsed<Compression> {
	const word = text.trim().toLowerCase();
	// pg_dump accepts a bare level only if nothing follows it.
	if (word === 'auto' || pattern.test(word)) return {value: word.replace(/:(-?\d+),/, ':level=$1,')};
	const level = parseInteger(text);
	if (level.problem !== undefined) {
		return {
			problem: `${JSON.stringify(text)} is not a compression setting: use a level from 0 to 9, -1, auto, or a method such as gzip:6, lz4, zstd:3`,
		};
	}
	return level.value >= -1 && level.value <= 9 ? level : {problem: 'must be in the range -1 to 9'};
}

/**
 * Returns the method of a text that `parseCompression` accepts; a level means gzip, and 0 none. Undefined for `auto`
 * and -1.
 */
export function methodOf(compression: Compression): CompressionMethod | undefined {
	if (typeof compression === 'number') return compression < 0 ? undefined : compression === 0 ? 'none' : 'gzip';
	return compressionMethods.find(method => compression === method || compression.startsWith(`${method}:`));
}

/** Returns the level in a method's text, if it has one. */
export function levelOf(compression: string): number | undefined {
	const level = /(?::|,)(?:level=)?(-?\d+)(?:,|$)/.exec(compression)?.[1];
	return level === undefined ? undefined : Number(level);
}

/** The file suffix of each method: pg_dump compresses a plain dump like the program with that name. */
export const compressedSuffixes = {gzip: 'gz', lz4: 'lz4', zstd: 'zst'} as const;
/** Returns the name of a member of a directory dump without the suffix of its compression. */
export function withoutCompressedSuffix(member: string): string {
	return member.replace(/\.(?:gz|lz4|zst)$/, '');
}

export type CompressedSuffix = (typeof compressedSuffixes)[keyof typeof compressedSuffixes];
