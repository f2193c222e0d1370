import {closeSync, openSync, readFileSync, writeSync} from 'node:fs';
import {ReadStream} from 'node:tty';
import {CancelledError, isSystemError, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';

const terminalPath = '/dev/tty';

/**
 * Asks for a secret on the terminal, even if stdin and stdout are redirected, without echo. `label` is the kind of
 * secret: `passphrase`. Throws USAGE immediately when there is no terminal or we run in its background, CANCELLED for
 * Ctrl-C and Ctrl-D, and the reason of `signal` when it aborts. The terminal is always restored.
 */
export async function promptSecret(
	label: string,
	options: {readonly signal: AbortSignal; readonly echo?: boolean},
): Promise<string> {
	options.signal.throwIfAborted();
	const output = openTerminal(label);
	const input = new ReadStream(openSync(terminalPath, 'r'));
	try {
		// Raw mode disables the echo. Node itself restores the mode when a signal kills the process.
		input.setRawMode(!options.echo);
		writeSync(output, `${display(label)}: `);
		return await readLine(input, options.signal);
	} finally {
		if (!options.echo) input.setRawMode(false);
		input.destroy();
		endLine(output);
		closeSync(output);
	}
}

function endLine(output: number): void {
	try {
		writeSync(output, '\n');
	} catch (error) {
		if (!isSystemError(error) || error.code !== 'EIO') throw error; // EIO: the terminal is lost, which is reported elsewhere
	}
}

function openTerminal(label: string): number {
	const hint = 'provide it in a file, through a command, or in the environment';
	if (inBackground()) throw new PgBackError('USAGE', `cannot ask for the ${label} in the background`, {hint});
	try {
		return openSync(terminalPath, 'w');
	} catch (error) {
		throw new PgBackError('USAGE', `no terminal to ask for the ${label}`, {hint, cause: error});
	}
}

/**
 * Returns true when another process group controls our terminal: using it would stop us (SIGTTOU) until we are in the
 * foreground.
 */
function inBackground(): boolean {
	if (process.platform !== 'linux') return false;
	const stat = readFileSync('/proc/self/stat', 'latin1');
	const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // state, ppid, pgrp, session, tty_nr, tpgid
	const [group, foreground] = [Number(fields[2]), Number(fields[5])];
	return foreground > 0 && foreground !== group;
}

function readLine(input: ReadStream, signal: AbortSignal): Promise<string> {
	const {promise, resolve, reject} = Promise.withResolvers<string>();
	let characters: string[] = [];
	input.setEncoding('utf8');
	input.on('data', (text: string) => {
		for (const character of text) {
			if (character === '\r' || character === '\n') resolve(characters.join(''));
			else if (character === '\u0003' || character === '\u0004') reject(new CancelledError('cancelled at the prompt'));
			else if (character === '\u007f' || character === '\b') characters.pop();
			else if (character === '\u0015') characters = [];
			else if (character >= ' ') characters.push(character);
			if (character === '\r' || character === '\n') return;
		}
	});
	input.on('end', () => reject(new CancelledError('the terminal was closed')));
	input.on('error', error => reject(new CancelledError(`the terminal was closed: ${error.message}`)));
	const onAbort = () => reject(signal.reason as Error);
	signal.addEventListener('abort', onAbort, {once: true});
	return promise.finally(() => signal.removeEventListener('abort', onAbort));
}
