/** How large the parts of an upload are: never too many, never larger than what fits. */

const mebi = 1024 * 1024;
export const smallestPart = 8 * mebi;
/** 5 GiB, the service's limit. */
export const largestPart = 5 * 1024 * mebi;
/** Parts up to here go out from memory; larger ones are read twice instead (for the checksum, and to be sent). */
export const largestBuffer = 16 * mebi;

/** Plain data, so that a journal can hold it: the same plan gives the same parts. */
export type PartPlan = {
	/** Bytes of a part at first. */
	readonly base: number;
	/** Parts up to this number have `base` bytes; later ones grow with what was sent. */
	readonly constantFor: number;
};

export type PlanInput = {
	readonly size?: number;
	readonly expectedSize?: number;
	readonly partSize?: number;
	readonly maxParts?: number;
};

/**
 * A known size gives equal parts, at most 9 in 10 of what is allowed. A predicted one gives equal parts up to twice the
 * prediction and growing ones after that. Otherwise each part is a 25th of what was sent before it: 10,000 parts of that kind hold
 * 48 TiB, the most that S3 can hold at all.
 */
export function planParts({size, expectedSize, partSize, maxParts = 10_000}: PlanInput): PartPlan {
	const smallest = partSize ?? smallestPart;
	const most = Math.floor(maxParts * 0.9);
	if (size !== undefined) return {base: atLeast(smallest, size / most), constantFor: maxParts};
	if (expectedSize !== undefined && expectedSize > 0) {
		return {base: atLeast(smallest, (expectedSize * 2) / most), constantFor: most};
	}
	return {base: smallest, constantFor: 0};
}

/** Bytes of part `number` (from 1 on) after `sent` bytes. */
export function partSizeOf(plan: PartPlan, number: number, sent: number): number {
	return number <= plan.constantFor ? plan.base : atLeast(plan.base, sent / 25);
}

function atLeast(smallest: number, wanted: number): number {
	return Math.min(largestPart, Math.max(smallest, Math.ceil(wanted)));
}
