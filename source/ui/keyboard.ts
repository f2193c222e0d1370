/** Parses the bytes of a terminal, in pieces of any size, into keys and pastes. Drops everything else. */
import {StringDecoder} from 'node:string_decoder';
import {nextToken, type Token} from './escape-sequences.js';
import {keysOfRun, pasted, pressed, type Typed} from './typed-keys.js';

/** Milliseconds without another byte after which an Esc is a key. */
export const escapeDelay = 150;
/** Milliseconds after which an incomplete sequence is dropped. */
export const sequenceTimeout = 1000;
/** Milliseconds after which an incomplete paste is accepted. */
export const pasteTimeout = 3000;
const pasteEnd = '\u001B[201~';
/** Text of a paste beyond this length is dropped. */
const maxPaste = 256 * 1024;

export type Keyboard = {
	readonly push: (chunk: Buffer | string) => void;
	/** Discards incomplete input: the terminal is used by another program. */
	readonly reset: () => void;
};

/** Calls `onTyped` for each key and paste. Holds a timer only while input is incomplete. */
export function createKeyboard(onTyped: (typed: Typed) => void): Keyboard {
	/** Bytes as Latin-1 characters, so that a mouse report is not invalid UTF-8. */
	let pending = '';
	let paste: string | undefined;
	let timer: NodeJS.Timeout | undefined;
	/** A lone Esc was just reported: the following bytes may be the rest of a sequence that a slow line has split. */
	let lateTail = false;
	let decoder = new StringDecoder('utf8');

	function endPaste(): void {
		const whole = Buffer.from(paste ?? '', 'latin1').toString('utf8');
		paste = undefined;
		if (whole !== '') onTyped(pasted(whole));
	}

	function take(token: Token): void {
		if (token.kind === 'text') for (const typed of keysOfRun(decodeWith(decoder, token.text))) onTyped(typed);
		if (token.kind === 'key') onTyped(pressed(token.name));
		else if (token.kind === 'character') onTyped({kind: 'key', name: token.text, text: token.text});
		else if (token.kind === 'paste start') paste = '';
	}

	/** Removes complete tokens from the front of `pending`. */
	function consume(): void {
		while (pending !== '') {
			if (paste !== undefined) {
				const {text: part, rest, isWhole} = cutPaste(pending);
				paste = (paste + part).slice(0, maxPaste);
				pending = rest;
				if (!isWhole) return;
				endPaste();
				continue;
			}
			const token = nextToken(pending);
			if (token === undefined) return;
			pending = pending.slice(token.length);
			take(token);
		}
	}

	function timedOut(): void {
		if (paste !== undefined) {
			paste += pending;
			pending = '';
			return endPaste();
		}
		const isEscape = /^\u001B+$/.test(pending);
		pending = '';
		if (!isEscape) return;
		lateTail = true;
		timer = setTimeout(() => (lateTail = false), sequenceTimeout);
		onTyped(pressed('escape'));
	}

	function wait(): void {
		if (paste === undefined && pending === '') return;
		const isEscape = paste === undefined && /^\u001B+$/.test(pending);
		timer = setTimeout(timedOut, isEscape ? escapeDelay : paste === undefined ? sequenceTimeout : pasteTimeout);
	}

	return {
		push(chunk) {
			clearTimeout(timer);
			const bytes = typeof chunk === 'string' ? Buffer.from(chunk).toString('latin1') : chunk.toString('latin1');
			// A user does not type `[A` or `OA` in one read within a second of Esc.
			const isTail = lateTail && pending === '' && /^(?:\[|O[A-Z])/.test(bytes);
			lateTail = false;
			pending += isTail ? `\u001B${bytes}` : bytes;
			consume();
			wait();
		},
		reset() {
			clearTimeout(timer);
			pending = '';
			paste = undefined;
			lateTail = false;
			decoder = new StringDecoder('utf8');
		},
	};
}

/** Splits `bytes` into the text of a started paste and what follows its end mark. */
function cutPaste(bytes: string): {readonly text: string; readonly rest: string; readonly isWhole: boolean} {
	const end = bytes.indexOf(pasteEnd);
	if (end !== -1) return {text: bytes.slice(0, end), rest: bytes.slice(end + pasteEnd.length), isWhole: true};
	// The mark itself may be split.
	const keep = /\u001B(?:\[(?:2(?:0(?:1)?)?)?)?$/.exec(bytes)?.[0].length ?? 0;
	return {text: bytes.slice(0, bytes.length - keep), rest: bytes.slice(bytes.length - keep), isWhole: false};
}

function decodeWith(decoder: StringDecoder, bytes: string): string {
	return decoder.write(Buffer.from(bytes, 'latin1'));
}
