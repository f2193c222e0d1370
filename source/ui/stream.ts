/** Shows the plain log instead of the screen, as long as the user wants; earlier lines first. */
import type {EngineHandle} from '../core/handle.js';
import {logLine} from '../lib/log-line.js';
import {clean, type Glyphs} from './glyphs.js';
import type {Terminal} from './terminal.js';
import type {Typed} from './typed-keys.js';

/** `interrupt`: Ctrl-C, which is handled on the screen. */
export type StreamEnd = 'screen' | 'leave' | 'interrupt' | 'suspend';

export type StreamOptions = {
	readonly handle: EngineHandle;
	readonly terminal: Terminal;
	readonly glyphs: Glyphs;
	/** Lines with a lower index were printed by an earlier visit. */
	readonly from: number;
	/** Calls the listener with each key until the returned function is called. */
	readonly onKeys: (listener: (typed: Typed) => void) => () => void;
	/** Passes the function that ends the stream for another reason. */
	readonly onStart: (end: (how: StreamEnd) => void) => void;
	/** Returns false while stopping the program would stall work. */
	readonly mayStop: () => boolean;
};

/** Resolves to the user's choice, and the index of the first line that was not printed. */
export async function streamLog({
	handle,
	terminal,
	glyphs,
	from,
	onKeys,
	onStart,
	mayStop,
}: StreamOptions): Promise<{readonly end: StreamEnd; readonly next: number}> {
	let next = from;
	const print = () => {
		const {log} = handle.state();
		for (const line of log) {
			if (line.index < next) continue;
			if (line.level !== 'debug') terminal.write(logLine(line.time, line.level, clean(line.text, glyphs)));
		}
		next = Math.max(next, (log.at(-1)?.index ?? -1) + 1);
	};
	terminal.listen(true);
	terminal.write('-- the plain log; L returns to the screen, q leaves --\n');
	print();
	const unsubscribe = handle.subscribe(print);
	let offKeys = () => {};
	try {
		const end = await new Promise<StreamEnd>(resolve => {
			onStart(resolve);
			offKeys = onKeys(typed => {
				if (typed.kind === 'paste') return;
				if (typed.name === 'L') resolve('screen');
				else if (typed.name === 'q') resolve('leave');
				else if (typed.name === 'ctrl-c') resolve('interrupt');
				else if (typed.name === 'ctrl-z' && mayStop()) resolve('suspend');
				else if (typed.name === 'ctrl-z') terminal.write('-- Ctrl-Z is refused while work runs --\n');
			});
		});
		return {end, next};
	} finally {
		offKeys();
		terminal.listen(false);
		unsubscribe();
	}
}
