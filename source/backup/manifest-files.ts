/** The files of a manifest: the manifest itself and, in an encrypting run, the private manifest. */
import {once} from '../lib/single-chunk.js';
import {type Manifest, printManifest, type PrivateManifest} from '../repository/manifest.js';
import {fileName, type ShardName} from '../retention/names.js';
import type {RunLocks} from '../runs/run-locks.js';
import {discardAll, writeArtifact, type Written} from '../stages/artifact.js';
import type {DescribedRun} from './describe-run.js';
import type {TakeOver} from './take-over.js';

export type ManifestStep = DescribedRun & {
	readonly locks: RunLocks;
	/** Checks for dumps that have lost too much; returns the names for the manifest. */
	readonly findShrunk: (manifest: Manifest) => Promise<readonly string[]>;
	/** For a divided run: what other processes have written for the same shard. */
	readonly takeOver: TakeOver | undefined;
};

export type ManifestTexts = {readonly manifest: Manifest; readonly companion?: PrivateManifest};

export type ManifestName = {
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly shard?: ShardName;
};

/** Writes the files under partial names, the private manifest first. */
export async function writeManifestFiles(
	step: Pick<ManifestStep, 'run' | 'encryption'>,
	{manifest, companion}: ManifestTexts,
	{time, shard}: ManifestName,
): Promise<readonly Written[]> {
	const {run, encryption} = step;
	const {backupFileMode} = run.configuration.settings;
	const settings = {run: run.tag, mode: backupFileMode, extraAlgorithms: ['sha256'], keepSource: false} as const;
	const common = {role: 'manifest', signal: run.signal} as const;
	const written: Written[] = [];
	try {
		if (companion && encryption) {
			const plainPath = manifestPath(step, time, 'private.json.age', shard).slice(0, -'.age'.length);
			const sealed = {...common, plainPath, settings: {...settings, encryption}};
			written.push(await writeArtifact(once(Buffer.from(printManifest(companion))), sealed));
		}
		const plainPath = manifestPath(step, time, 'manifest.json', shard);
		written.push(await writeArtifact(once(Buffer.from(printManifest(manifest))), {...common, plainPath, settings}));
		return written;
	} catch (error) {
		await discardAll(written);
		throw error;
	}
}

export function manifestPath(
	{run}: Pick<ManifestStep, 'run'>,
	time: number,
	suffix: 'manifest.json' | 'private.json.age',
	shard?: ShardName,
): string {
	const {backupDirectory: directory, timestampFormat} = run.configuration.settings;
	return fileName({directory, subject: {kind: 'run'}, time: new Date(time), timestampFormat, suffix, shard});
}
