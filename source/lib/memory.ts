/** Keeps the memory of the process small, by flags of V8 that apply until it exits, and by collecting garbage. */
import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';

let saves = false;
let collectGarbage: (() => void) | undefined;

/**
 * Makes both generations of the heap grow in small steps, and disables V8's optimizing compilers. The work of a run is
 * done by children and by Node's native code: dumps and uploads take as long without them and a listing a tenth longer,
 * while their code and memory take 16 MiB and more, growing for hours. Called before anything is executed: one function
 * that is optimized while the configuration is read takes 6 MiB.
 */
export function saveMemory(): void {
	saves = true;
	// Keeps listings of a million objects below 96 MiB.
	setFlagsFromString('--semi-space-growth-factor=1');
	// Collects garbage when a fifth has been added to the live data, instead of when it has doubled.
	setFlagsFromString('--heap-growing-percent=20');
	setFlagsFromString('--no-turbofan');
	setFlagsFromString('--no-maglev');
	// Without the optimizing compilers, what V8 notes about a function from its eighth call on only makes property accesses
	// faster: most functions of a run are called less often than that pays.
	setFlagsFromString('--invocation-count-for-feedback-allocation=500');
}

/**
 * Returns to V8's own choices, for a console: without the optimizing compilers it needs half as much processor time
 * again, and with 100,000 files in its list it otherwise spends a third of its time collecting garbage.
 */
export function spendMemory(): void {
	saves = false;
	setFlagsFromString('--semi-space-growth-factor=2');
	setFlagsFromString('--heap-growing-percent=0');
	setFlagsFromString('--turbofan');
	setFlagsFromString('--maglev');
	setFlagsFromString('--invocation-count-for-feedback-allocation=8');
}

/**
 * Returns a function to call with the number of things that have been read: each `every` of them it collects garbage,
 * which takes some 20 ms, as long as memory is to be saved. V8 itself collects so late during a listing of a million
 * keys that 10 MiB more are in use.
 */
export function createCollector(every = 50_000): (count: number) => void {
	let left = every;
	return count => {
		left -= count;
		if (left > 0 || !saves) return;
		left = every;
		collectGarbage ??= exposedCollector();
		collectGarbage();
	};
}

/** V8 gives its collector to contexts that are created after the flag was set. */
function exposedCollector(): () => void {
	setFlagsFromString('--expose-gc');
	return runInNewContext('gc') as () => void;
}
