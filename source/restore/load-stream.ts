/**
 * Loads an archive while it is downloaded: data over one connection, then the indexes over many, for which the table of
 * contents is sufficient.
 */
import {type FileHandle, open, rm} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import {ArchiveTocParser} from '../postgres/archive-toc.js';
import {dumpBytes} from './dump-bytes.js';
import type {FillContext, LoadCommon} from './fill-database.js';
import {loadArchive} from './load.js';
import {loadByJobs} from './load-by-jobs.js';
import type {DatabasePlan} from './restore-plan.js';
import {workPath} from './work-path.js';

/**
 * Loads a stream. The stage `download` ends with the last byte, after which the checksum in the manifest is compared.
 */
export async function loadStream(context: FillContext, plan: DatabasePlan, common: LoadCommon): Promise<void> {
	const {run, source, directory} = context;
	const {meter, signal} = common.control;
	const bytes = dumpBytes(source, plan.prepared.dump.path, signal, count => meter.count('download', count));
	if (plan.jobs === 1) {
		await loadArchive(context, plan, {...common, path: undefined, source: bytes, sections: [], jobs: 1});
		meter.finish('download');
		return;
	}
	const head = workPath(directory, plan.target, 'head');
	const handle = await open(head, 'wx', 0o600);
	try {
		try {
			await loadArchive(context, plan, {
				...common,
				path: undefined,
				source: savingHead(bytes, handle),
				sections: ['pre-data', 'data'],
				jobs: 1,
			});
			meter.finish('download');
			common.tracker.dataEnded(run.now().getTime());
		} finally {
			await handle.close();
		}
		const {entries, jobs} = plan;
		await loadByJobs(context, plan, {...common, entries, path: head, sections: ['post-data'], jobs});
	} finally {
		await rm(head, {force: true});
	}
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
