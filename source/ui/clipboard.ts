import {Buffer} from 'node:buffer';

/** Terminals truncate or reject longer ones. */
const maxBytes = 64 * 1024;

/**
 * Returns OSC 52, which asks the terminal, also at the other end of an SSH connection, to copy `text` to its clipboard.
 */
export function clipboardSequence(text: string): string {
	return `\u001B]52;c;${Buffer.from(text, 'utf8').subarray(0, maxBytes).toString('base64')}\u0007`;
}
