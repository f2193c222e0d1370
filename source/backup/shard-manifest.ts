/**
 * Writes the manifest of one shard. Two processes may finish the same shard: existing manifests are never replaced, and
 * another one is written only if it contains more.
 */
import {rm} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import type {Manifest} from '../repository/manifest.js';
import type {ShardName} from '../retention/names.js';
import type {ReportContext} from '../runs/context.js';
import {type PendingFile, publishAll} from '../stages/artifact.js';
import {JobMeter} from '../stages/meter.js';
import type {UploadOptions} from '../stages/upload.js';
import {type ManifestStep, type ManifestTexts, writeManifestFiles} from './manifest-files.js';
import {sendWhole} from './shard-uploads.js';
import type {TakeOver} from './take-over.js';

/** Maximum attempts at one shard. */
const mostAttempts = 1000;

export async function writeShardManifest(step: ManifestStep, texts: ManifestTexts, takeOver: TakeOver): Promise<void> {
	const {
		run,
		shard,
		uploads: [place],
		start,
	} = step;
	if (!shard || !place) throw new PgBackError('BUG', 'the manifest of a shard is uploaded nowhere');
	const {index, of} = shard;
	for (let attempt = 1; attempt <= mostAttempts; attempt++) {
		const others = await takeOver.manifests(run.signal);
		if (covers([...others.values()], texts.manifest)) {
			const text = `the manifest of shard ${index} of ${of} was written by another process of this run`;
			run.emit({type: 'log', level: 'info', text});
			return;
		}
		const name: ShardName = {index, of, attempt};
		const written = await writeManifestFiles(step, texts, {time: start, shard: name});
		const files = await publishAll(written, 'manifest', run.emit);
		if (await sendAll(run, place, files)) return;
	}
	throw new PgBackError('STORAGE', `shard ${index} of ${of} has ${mostAttempts} manifests that are not complete`);
}

/** Returns false when another process has used the name. */
async function sendAll(run: ReportContext, place: UploadOptions, files: readonly PendingFile[]): Promise<boolean> {
	const target = {job: 'manifest', meter: new JobMeter('manifest', run.emit), signal: run.signal};
	try {
		// The private manifest is first: an encrypting manifest is only readable with it.
		for (const file of files) await sendWhole({...place, deleteLocal: true}, file, target);
		return true;
	} catch (error) {
		if (!(error instanceof PgBackError) || error.code !== 'EXISTS') throw error;
		return false;
	} finally {
		for (const {finalPath} of files) await rm(finalPath, {force: true});
	}
}

/** Returns whether the other manifests contain everything in this one. */
function covers(others: readonly Manifest[], own: Manifest): boolean {
	if (others.length === 0) return false;
	if (own.outcome === 'complete' && !others.some(({outcome}) => outcome === 'complete')) return false;
	const files = new Map(others.flatMap(one => one.files).map(file => [file.path, file] as const));
	const gone = new Set(others.flatMap(({shard}) => shard?.gone ?? []));
	return (
		own.files.every(({path, size}) => files.get(path)?.size === size) &&
		(own.shard?.gone ?? []).every(name => gone.has(name))
	);
}
