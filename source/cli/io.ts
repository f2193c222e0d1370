/** The outside of the program, as main is given it: so that tests and the bin differ in nothing else. */
export type Io = {
	/** Without the interpreter and the script. */
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly stdin: NodeJS.ReadStream;
	readonly stdout: NodeJS.WriteStream;
	readonly stderr: NodeJS.WriteStream;
	/** Ends the process at once, after a second signal. */
	readonly exitNow: (code: number) => never;
};

/** Waits for a slow reader; a reader that is gone ends the work with EPIPE. */
export function writerTo(io: Io): (chunk: Uint8Array | string) => Promise<void> {
	return chunk =>
		new Promise((resolve, reject) => {
			io.stdout.write(chunk, error => (error ? reject(error) : resolve()));
		});
}
