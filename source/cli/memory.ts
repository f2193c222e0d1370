/** What V8 is told, so that the program takes little memory and keeps to it: for the rest of the process. */
import {setFlagsFromString} from 'node:v8';

/** Both generations of the heap grow in small steps. */
export function keepHeapSmall(): void {
	// Listings of a million objects stay far below 256 MiB.
	setFlagsFromString('--semi-space-growth-factor=1');
	// Garbage is looked for when a fifth has come to what lives, and not when it has doubled.
	setFlagsFromString('--heap-growing-percent=20');
}

/**
 * Without V8's optimizing compilers. The work of a run is done by children and by node's native parts: dumps and uploads take as long
 * without them and a listing a tenth longer, while what they make and need is 16 MiB and more, and grows for hours. A console is drawn
 * for two thirds of the processor time with them.
 */
export function goWithoutCompilers(): void {
	setFlagsFromString('--no-turbofan');
	setFlagsFromString('--no-maglev');
}
