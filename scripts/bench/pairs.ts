/** Interleaved pairs of our run and another one, and the verdict about what they give. */
import type {Measure} from './measured.js';

export type Pair = {readonly ours: Measure; readonly theirs: Measure};

/**
 * Returns `rounds` pairs, in which ours is first every other time. A round before them, which is not counted, fills the
 * caches, unless `isCold`.
 */
export async function interleaved(
	ours: () => Promise<Measure>,
	theirs: () => Promise<Measure>,
	{rounds, isCold = false}: {readonly rounds: number; readonly isCold?: boolean},
): Promise<readonly Pair[]> {
	const pairs: Pair[] = [];
	for (let round = isCold ? 0 : -1; round < rounds; round++) {
		const isOursFirst = round % 2 === 0;
		const first = await (isOursFirst ? ours() : theirs());
		const second = await (isOursFirst ? theirs() : ours());
		if (round >= 0) pairs.push(isOursFirst ? {ours: first, theirs: second} : {ours: second, theirs: first});
	}
	return pairs;
}

/** Prints whether `value` is within its limit; if not, the exit status is 1. */
export function verdict(title: string, value: number, limit: number): void {
	const isGood = value <= limit;
	process.stdout.write(`${title} ${value.toFixed(3)} (limit ${limit}): ${isGood ? 'ok' : 'MISSED'}\n`);
	if (!isGood) process.exitCode = 1;
}
