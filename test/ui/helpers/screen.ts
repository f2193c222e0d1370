/** What is on the screen, read through a terminal emulator: not which bytes were sent. */
import assert from 'node:assert/strict';
import xterm from '@xterm/headless';
import {cellWidth} from '../../../source/lib/width.js';

export type Screen = {
	readonly write: (data: string | Uint8Array) => void;
	/** Resolves when all that was written has been taken in. */
	readonly settled: () => Promise<void>;
	/** Rows without trailing blanks. */
	readonly lines: () => readonly string[];
	readonly text: () => string;
	readonly isAlternate: () => boolean;
	readonly isCursorHidden: () => boolean;
	readonly resize: (columns: number, rows: number) => void;
	readonly size: () => {readonly columns: number; readonly rows: number};
	/** Resolves when the screen satisfies `predicate`; rejects with a picture of it after `timeout` milliseconds. */
	readonly waitFor: (predicate: (text: string) => boolean, what: string, timeout?: number) => Promise<void>;
	/** Called after each write has been taken in. */
	readonly onFrame: (check: () => void) => void;
	/** All that was ever written, for what the emulator does not show. */
	readonly bytes: () => string;
	readonly terminal: xterm.Terminal;
};

const updateMark = '\u001B[?2026';

export function createScreen(columns: number, rows: number): Screen {
	const terminal = new xterm.Terminal({
		cols: columns,
		rows,
		allowProposedApi: true,
		convertEol: true,
		scrollback: 1000,
	});
	terminal.unicode.register(modernWidths);
	terminal.unicode.activeVersion = modernWidths.version;
	const checks: (() => void)[] = [];
	let bytes = '';
	let hidden = false;
	/** Between the marks of a synchronized update: a part of a frame, which no terminal would show. */
	let drawing = false;
	let failure: Error | undefined;
	const listeners = new Set<() => void>();
	const lines = () => {
		const {active} = terminal.buffer;
		return Array.from(
			{length: terminal.rows},
			(_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
		);
	};
	const text = () => lines().join('\n');
	return {
		terminal,
		write(data) {
			const chunk = typeof data === 'string' ? data : Buffer.from(data).toString('utf8');
			bytes += chunk;
			const shown = chunk.lastIndexOf('\u001B[?25h');
			const gone = chunk.lastIndexOf('\u001B[?25l');
			if (shown !== gone) hidden = gone > shown;
			const tail = bytes.slice(-chunk.length - updateMark.length);
			const [begun, finished] = [tail.lastIndexOf(`${updateMark}h`), tail.lastIndexOf(`${updateMark}l`)];
			drawing = begun === finished ? drawing : begun > finished;
			const isPart = drawing;
			terminal.write(data, () => {
				try {
					for (const check of checks) check();
				} catch (error) {
					failure ??= error instanceof Error ? error : new Error(String(error));
				}
				if (!isPart) for (const listener of listeners) listener();
			});
		},
		settled: () => new Promise(resolve => terminal.write('', resolve)),
		lines,
		text,
		isAlternate: () => terminal.buffer.active.type === 'alternate',
		isCursorHidden: () => hidden,
		resize: (nextColumns, nextRows) => terminal.resize(nextColumns, nextRows),
		size: () => ({columns: terminal.cols, rows: terminal.rows}),
		onFrame: check => checks.push(check),
		bytes: () => bytes,
		async waitFor(predicate, what, timeout = 10_000) {
			await new Promise<void>((resolve, reject) => {
				const look = () => {
					const found = failure;
					if (found !== undefined) return end(() => reject(found));
					if (!drawing && predicate(text())) end(resolve);
				};
				const end = (then: () => void) => {
					clearTimeout(timer);
					listeners.delete(look);
					then();
				};
				const timer = setTimeout(
					() => end(() => reject(new Error(`waited for ${what}; the screen shows:\n${text()}`))),
					timeout,
				);
				listeners.add(look);
				look();
			});
		},
	};
}

const widths = [0, 1, 2] as const;

/** Widths of today's terminals: the emulator's own tables are those of Unicode 6. */
const modernWidths = {
	version: 'modern',
	wcwidth: (codePoint: number): 0 | 1 | 2 => widths[cellWidth(String.fromCodePoint(codePoint))] ?? 2,
	/** Packed as xterm.js packs them: the width above one bit that joins a mark to the character before it. */
	charProperties(codePoint: number, preceding: number): number {
		const width = modernWidths.wcwidth(codePoint);
		const before = (preceding >> 1) & 3;
		const joins = width === 0 && preceding !== 0 && before !== 0;
		return ((joins ? Math.max(before, width) : width) << 1) | (joins ? 1 : 0);
	},
};

/** No line is wrapped into the next one, and nothing has been pushed off the top. */
export function assertUnbroken({terminal}: Screen): void {
	const {active} = terminal.buffer;
	if (active.type !== 'alternate') return;
	for (let row = 0; row < terminal.rows; row++) {
		assert.equal(active.getLine(row)?.isWrapped, false, `row ${row} is wrapped`);
	}
}
