/** Computes the part sizes of an upload: never too many parts, never too large ones. */

const mebi = 1024 * 1024;
export const smallestPart = 8 * mebi;
/** 5 GiB, the service's limit. */
export const largestPart = 5 * 1024 * mebi;
/**
 * Parts up to this size are sent from memory; larger ones are read twice instead (for the checksum, and to be sent).
 */
export const largestBuffer = 16 * mebi;
/** The largest part of a source that is read only once, unless the estimate of its size needs larger ones. */
const largestInMemory = 256 * mebi;

/** Plain data for a journal: the same plan gives the same parts. */
export type PartPlan = {
	/** Bytes of the first parts. */
	readonly base: number;
	/** Parts up to this number have `base` bytes; later ones grow with the bytes sent before. */
	readonly constantFor: number;
	/** Bytes of the largest part, if less than the service allows. */
	readonly largest?: number;
};

export type PlanInput = {
	readonly size?: number;
	readonly expectedSize?: number;
	readonly partSize?: number;
	readonly maxParts?: number;
	/** The source is read only once, so every part is sent from memory. */
	readonly inMemory?: boolean;
};

/**
 * Plans the parts. A known size gives equal parts, at most 9 in 10 of the allowed number. An estimated one gives equal
 * parts up to twice the estimate and growing ones after that. Otherwise each part is a 25th of what was sent before it:
 * 10,000 such parts hold 48 TiB, the maximum size of an S3 object. Parts that are sent from memory alone are smaller:
 * a 9,000th of the estimate, else at most 256 MiB.
 */
export function planParts({size, expectedSize, partSize, maxParts = 10_000, inMemory}: PlanInput): PartPlan {
	const smallest = partSize ?? smallestPart;
	const most = Math.floor(maxParts * 0.9);
	if (inMemory) {
		const base = atLeast(smallest, (expectedSize ?? 0) / most);
		return {base, constantFor: expectedSize === undefined ? 0 : most, largest: Math.max(base, largestInMemory)};
	}
	if (size !== undefined) return {base: atLeast(smallest, size / most), constantFor: maxParts};
	if (expectedSize !== undefined && expectedSize > 0) {
		return {base: atLeast(smallest, (expectedSize * 2) / most), constantFor: most};
	}
	return {base: smallest, constantFor: 0};
}

/** Returns the bytes of part `number` (from 1) after `sent` bytes. */
export function partSizeOf(plan: PartPlan, number: number, sent: number): number {
	const size = number <= plan.constantFor ? plan.base : atLeast(plan.base, sent / 25);
	return Math.min(size, plan.largest ?? largestPart);
}

function atLeast(smallest: number, wanted: number): number {
	return Math.min(largestPart, Math.max(smallest, Math.ceil(wanted)));
}
