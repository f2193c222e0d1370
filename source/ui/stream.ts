/** The plain log in place of the screen, for as long as the person likes: what has been said so far first. */
import type {EngineHandle} from '../core/handle.js';
import type {LogLine} from '../core/state.js';
import {clean, type Glyphs} from './glyphs.js';
import {formatTime} from './layout/log-lines.js';
import type {Terminal} from './terminal.js';

export type StreamEnd = 'screen' | 'leave' | 'interrupt';

export type StreamOptions = {
	readonly handle: EngineHandle;
	readonly terminal: Terminal;
	readonly glyphs: Glyphs;
	/** Lines with a lower index have been printed by an earlier visit. */
	readonly from: number;
	/** Resolves when the console is left for another reason. */
	readonly stopped: Promise<unknown>;
};

/** Resolves with what the person chose, and the index of the first line that was not printed. */
export async function streamLog({
	handle,
	terminal,
	glyphs,
	from,
	stopped,
}: StreamOptions): Promise<{readonly end: StreamEnd; readonly next: number}> {
	let next = from;
	const print = () => {
		const {log} = handle.state();
		for (const line of log) {
			if (line.index < next) continue;
			if (line.level !== 'debug') terminal.write(`${plainLine(line, glyphs)}\n`);
		}
		next = Math.max(next, (log.at(-1)?.index ?? -1) + 1);
	};
	terminal.write('-- the plain log; L returns to the screen, q leaves --\n');
	print();
	const unsubscribe = handle.subscribe(print);
	terminal.input.setRawMode(true);
	terminal.listen(true);
	try {
		const end = await new Promise<StreamEnd>(resolve => {
			const onKey = (chunk: Buffer | string) => {
				const text = chunk.toString();
				if (text.includes('L')) resolve('screen');
				else if (text.includes('q')) resolve('leave');
				else if (text.includes('\u0003')) resolve('interrupt');
				else if (text.includes('\u001A')) terminal.write('-- Ctrl-Z is refused while work runs --\n');
			};
			terminal.input.on('data', onKey);
			void stopped.then(() => resolve('screen'));
		});
		return {end, next};
	} finally {
		terminal.input.removeAllListeners('data');
		terminal.input.pause();
		terminal.input.setRawMode(false);
		unsubscribe();
	}
}

export function plainLine({time, level, text}: LogLine, glyphs: Glyphs): string {
	return `${formatTime(time)} ${level.toUpperCase()}: ${clean(text, glyphs)}`;
}
