/** The environment of the program as main receives it, which is all that differs in tests. */
export type Io = {
	/** Without the interpreter and the script. */
	readonly argv: readonly string[];
	/** The interpreter, its options and the script: the command to start this program again. */
	readonly program: readonly string[];
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly stdin: NodeJS.ReadStream;
	readonly stdout: NodeJS.WriteStream;
	readonly stderr: NodeJS.WriteStream;
	/** Exits the process immediately, after a second signal. */
	readonly exitNow: (code: number) => never;
};

/** Returns a writer that waits for a slow reader; a closed pipe ends the work with EPIPE. */
export function writerTo(io: Io): (chunk: Uint8Array | string) => Promise<void> {
	return chunk =>
		new Promise((resolve, reject) => {
			io.stdout.write(chunk, error => (error ? reject(error) : resolve()));
		});
}
