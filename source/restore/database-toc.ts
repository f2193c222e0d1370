/** Lists the contents of a database of the target, as the table of contents of a dump of its schema. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {type ArchiveToc, ArchiveTocParser} from '../postgres/archive-toc.js';
import {joinServerOptions} from '../postgres/session.js';
import {eventTriggersOff} from '../postgres/target-inventory.js';
import {findTools} from '../postgres/tools.js';
import {firstError, startChild} from '../process/child.js';
import type {ServerContext} from '../runs/context.js';
import {findOptions} from '../runs/prepare-backup.js';
import type {RestoreTarget} from './restore-target.js';

/**
 * `encoding` is that of its names: one that cannot be encoded fails. Returns undefined without a pg_dump for the
 * server. Throws FAILED when the database cannot be read.
 */
export async function tocOfDatabase(
	run: ServerContext,
	{connection, inventory}: RestoreTarget,
	database: string,
	{signal, encoding = 'UTF8'}: {readonly signal: AbortSignal; readonly encoding?: string},
): Promise<ArchiveToc | undefined> {
	const tools = await findTools({
		...findOptions(run),
		serverVersion: inventory.version,
		without: ['pg_dumpall', 'pg_restore'],
	}).catch((error: unknown) => {
		run.signal.throwIfAborted();
		if (error instanceof PgBackError && error.code === 'TOOLS') return undefined;
		throw error;
	});
	if (!tools || tools.pgDump.version < Math.floor(inventory.version / 10_000) * 10_000) return undefined;
	const {args, env} = connection.forDatabase(database);
	const child = startChild({
		command: tools.pgDump.path,
		args: ['-Fc', '-s', '-w', '-E', encoding, ...args],
		env: {...env, PGOPTIONS: joinServerOptions(env['PGOPTIONS'], eventTriggersOff(inventory)), LC_ALL: 'C'},
		signal,
		stdout: 'pipe',
		stderr: 'messages',
	});
	child.done.catch(() => undefined); // awaited below
	const parser = new ArchiveTocParser();
	for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) parser.push(chunk);
	const {exitCode, stderr} = await child.done;
	const toc = parser.toc();
	if (exitCode === 0 && toc) return toc;
	const said = firstError(stderr) ?? `exit status ${String(exitCode)}`;
	throw new PgBackError('FAILED', `cannot read the schema of ${display(database)}: ${said}`, {output: stderr});
}
