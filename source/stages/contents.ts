import {PgBackError} from '../core/errors.js';
import {startChild} from '../process/child.js';

/** The tables whose data an archive holds, `schema.name`, from its table of contents; the source is left as soon as that is read. */
export async function listArchive(
	source: AsyncIterable<Uint8Array>,
	tools: {
		readonly pgRestore: string;
		readonly env: Readonly<Record<string, string | undefined>>;
		readonly signal: AbortSignal;
	},
): Promise<readonly string[]> {
	const names: string[] = [];
	const child = startChild({
		command: tools.pgRestore,
		args: ['-l'],
		env: tools.env,
		stdin: 'pipe',
		stdout: 'lines',
		signal: tools.signal,
		onLine(line, stream) {
			// 3358; 0 16393 TABLE DATA public pgbench_accounts postgres
			const entry = stream === 'stdout' ? /^\d+; \d+ \d+ TABLE DATA (\S+) (.+) \S+$/.exec(line) : undefined;
			if (entry) names.push(`${entry[1] ?? ''}.${entry[2] ?? ''}`);
		},
	});
	const {stdin} = child;
	if (!stdin) throw new PgBackError('BUG', 'pg_restore has no standard input');
	stdin.on('error', () => undefined); // it has read enough, or its status says what was wrong
	child.done.catch(() => undefined); // awaited below
	for await (const chunk of source) {
		if (stdin.destroyed) break; // node destroys it when the child has closed its end
		await new Promise<void>(resolve => stdin.write(chunk, () => resolve()));
	}
	stdin.end();
	const result = await child.done;
	if (result.exitCode !== 0)
		throw new PgBackError('CORRUPT', `pg_restore cannot read its table of contents: ${result.stderr.at(-1) ?? ''}`);
	return names;
}
