/**
 * R1 and R14 on a standby: in addition, replay continues however a run ends; after `kill -9` the next run resumes it.
 */
import {killSweep} from './kills.js';
import {signalSweep} from './signals.js';
import {type Figure, openBench} from './sweep.js';

/** Each `count` times. */
export async function standbySweep(count: number, seed = 9): Promise<readonly Figure[]> {
	const bench = await openBench(20, {standby: true});
	try {
		return [await signalSweep(bench, count, seed), await killSweep(bench, count, seed)];
	} finally {
		await bench.close();
	}
}
