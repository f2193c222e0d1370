/** The line that psql prints after each statement of a copy session. A random string of the session marks it. */

/** Bytes; the line is shorter. */
export const longestState = 256;

/** The state after a statement; `rows`: those that the server reports for a COPY. */
export type CopyState = {readonly isError: boolean; readonly rows: number};

/** Returns the command that prints the line. */
export function stateCommand(mark: string): string {
	return `\\echo ${mark}s :ERROR :SQLSTATE :ROW_COUNT ${mark}e`;
}

/** Returns the state, and where its line begins, when the output ends with such a line. */
export function findState(
	output: Buffer,
	mark: string,
): {readonly state: CopyState; readonly start: number} | undefined {
	const end = `${mark}e\n`;
	if (output.length < end.length || output.toString('latin1', output.length - end.length) !== end) return undefined;
	const start = output.lastIndexOf(`${mark}s `);
	if (start === -1) return undefined;
	const [isError, , rows] = output.toString('latin1', start + mark.length + 2).split(' ');
	return {state: {isError: isError !== 'false', rows: Number(rows)}, start};
}
