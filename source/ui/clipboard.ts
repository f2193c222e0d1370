import {Buffer} from 'node:buffer';

/** Terminals cut or refuse longer ones. */
const maxBytes = 64 * 1024;

/** OSC 52: asks the terminal, also the one at the other end of an SSH connection, to put `text` on its clipboard. */
export function clipboardSequence(text: string): string {
	return `\u001B]52;c;${Buffer.from(text, 'utf8').subarray(0, maxBytes).toString('base64')}\u0007`;
}
