/** Sets V8 flags that keep the memory of the process small. They apply until it exits. */
import {setFlagsFromString} from 'node:v8';

/** Makes both generations of the heap grow in small steps. */
export function limitHeapGrowth(): void {
	// Keeps listings of a million objects far below 256 MiB.
	setFlagsFromString('--semi-space-growth-factor=1');
	// Collects garbage when a fifth has been added to the live data, instead of when it has doubled.
	setFlagsFromString('--heap-growing-percent=20');
}

/** Lets the heap grow as V8 chooses: a console with 100,000 files in its list otherwise spends a third of its time collecting garbage. */
export function allowHeapGrowth(): void {
	setFlagsFromString('--semi-space-growth-factor=2');
	setFlagsFromString('--heap-growing-percent=0');
}

/**
 * Disables V8's optimizing compilers. The work of a run is done by children and by Node's native code: dumps and
 * uploads take as long without them and a listing a tenth longer, while their code and memory take 16 MiB and more,
 * growing for hours. With them, a console needs a third less processor time.
 */
export function disableOptimizingCompilers(): void {
	setFlagsFromString('--no-turbofan');
	setFlagsFromString('--no-maglev');
}
