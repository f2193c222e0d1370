/**
 * Loads an archive while it is downloaded: data over one connection, then the indexes over many, for which the table of
 * contents is sufficient.
 */
import {type FileHandle, open} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import {ArchiveTocParser} from '../postgres/archive-toc.js';
import {dumpBytes} from './dump-bytes.js';
import type {FillContext} from './fill-database.js';
import {type LoadCommon, loadEntries} from './load-entries.js';
import type {LoadOrder} from './load-order.js';
import type {DatabasePlan} from './restore-plan.js';

/**
 * Loads a stream. The stage `download` ends with the last byte, after which the checksum in the manifest is compared.
 * `head` is the path of a new file for the table of contents, which the caller removes.
 */
export async function loadStream(
	context: FillContext,
	plan: DatabasePlan,
	common: LoadCommon,
	{order, head}: {readonly order: LoadOrder; readonly head: string},
): Promise<void> {
	const {run, source} = context;
	const {meter, signal} = common.control;
	const bytes = dumpBytes(source, plan.prepared.dump.path, signal, count => meter.count('download', count));
	const inParts = plan.jobs > 1;
	const handle = await open(head, 'wx', 0o600);
	try {
		await loadEntries(context, plan, {
			...common,
			path: undefined,
			source: savingHead(bytes, handle),
			entries: inParts ? [...order.before, ...order.data.map(({dumpId}) => dumpId)] : order.early,
			jobs: 1,
		});
		meter.finish('download');
		if (inParts) common.tracker.dataEnded(run.now().getTime());
	} finally {
		await handle.close();
	}
	if (inParts) await loadEntries(context, plan, {...common, path: head, entries: order.after, jobs: plan.jobs});
}

/** Passes everything on, and writes the table of contents to the file. Throws CORRUPT for an archive without one. */
async function* savingHead(bytes: AsyncIterable<Uint8Array>, handle: FileHandle): AsyncGenerator<Uint8Array> {
	const parser = new ArchiveTocParser();
	let written = 0;
	for await (const chunk of bytes) {
		if (!parser.toc()) {
			const rest = parser.push(chunk);
			const own = chunk.byteLength - (rest?.byteLength ?? 0);
			await handle.writeFile(chunk.subarray(0, own));
			written += own;
		}
		yield chunk;
	}
	if (parser.toc()?.size !== written)
		throw new PgBackError('CORRUPT', 'the archive ends within its table of contents', {hint: 'restore another run'});
}
