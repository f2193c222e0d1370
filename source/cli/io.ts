import {PgBackError, toPgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';

/** The environment of the program as main receives it, which is all that differs in tests. */
export type Io = {
	/** Without the interpreter and the script. */
	readonly argv: readonly string[];
	/** The interpreter, its options and the script: the command to start this program again. */
	readonly program: readonly string[];
	readonly env: Environment;
	readonly stdin: NodeJS.ReadStream;
	/** Known without `stdin`, which takes 2 ms to make. */
	readonly stdinIsTty: boolean;
	readonly stdout: NodeJS.WriteStream;
	readonly stderr: NodeJS.WriteStream;
	/** Exits the process immediately, after a second signal. */
	readonly exitNow: (code: number) => never;
};

/** Returns a writer that waits for a slow reader. It rejects with EPIPE for a closed pipe, and with FAILED otherwise. */
export function writerTo(io: Io): (chunk: Uint8Array | string) => Promise<void> {
	return chunk =>
		new Promise((resolve, reject) => {
			io.stdout.write(chunk, error => {
				if (!error) resolve();
				else reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? error : outputError(error));
			});
		});
}

export function outputError(cause: Error): PgBackError {
	return new PgBackError('FAILED', `cannot write to standard output: ${toPgBackError(cause).message}`, {cause});
}
