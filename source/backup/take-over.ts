/**
 * Adopts what another process of the same divided run has uploaded. Metadata and names prove nothing: an object counts
 * only when reading it back gives the checksum in the manifest of the shard, or in a claim.
 */
import {basename} from 'node:path';
import {messageOf, PgBackError} from '../core/errors.js';
import {isMainRole} from '../core/main-file.js';
import {display} from '../lib/display.js';
import type {Manifest, ManifestFile} from '../repository/manifest.js';
import {parseManifest} from '../repository/manifest-read.js';
import type {Remote} from '../repository/remote.js';
import {createSmallObject, readSmallObject, sha256OfObject} from '../repository/small-object.js';
import {parsePath, type ShardName, type Subject, subjectText} from '../retention/names.js';
import type {RunContext} from '../runs/context.js';
import {checksumOfClaim, type Claim, claimName, largestClaim, parseClaim} from './claims.js';
import {type Adopted, type ClaimedFile, shipped} from './shard.js';

export type TakeOver = {
	readonly claim: (subject: Subject, files: readonly ClaimedFile[], signal: AbortSignal) => Promise<void>;
	readonly find: (subject: Subject, signal: AbortSignal) => Promise<Adopted | undefined>;
	/** Returns the manifests that processes of this run have written for this shard so far, by their keys. */
	readonly manifests: (signal: AbortSignal) => Promise<ReadonlyMap<string, Manifest>>;
};

export type TakeOverOptions = {
	readonly run: Pick<RunContext, 'emit' | 'runId'>;
	readonly remote: Remote;
	/** Relative to the root of the store, with a trailing slash. */
	readonly claims: string;
	readonly shard: Pick<ShardName, 'index' | 'of'>;
	/** The key of a manifest of this run without the part for the shard, such as `a/pg_back_2026-11-28T00:00:00Z.`. */
	readonly manifestStem: string;
};

/** Maximum bytes of a manifest. */
const largestManifest = 64 << 20;

type Candidate = {readonly files: readonly ManifestFile[]; readonly contents?: Claim['contents']};

export function createTakeOver(options: TakeOverOptions): TakeOver {
	const {run, remote, claims} = options;
	const {storage} = remote;
	let known: Promise<ReadonlyMap<string, Manifest>> | undefined;
	const manifests = (signal: AbortSignal) => (known = readManifests(options, signal));
	const claimsOf = async (text: string, signal: AbortSignal): Promise<readonly Candidate[]> => {
		const found: Candidate[] = [];
		for await (const {key, size} of storage.list(`${claims}${text}.`, {signal})) {
			const main = checksumOfClaim(basename(key), text);
			if (main === undefined || size > largestClaim) continue;
			const content = await readSmallObject(storage, key, signal, largestClaim);
			const claim =
				content === undefined ? undefined : parseClaim(content, {runId: run.runId, subjectText: text, main});
			if (claim) found.push(claim);
		}
		return found;
	};
	const prove = async (candidates: readonly Candidate[], signal: AbortSignal) => {
		const checksumOf = memoize((key: string) => sha256OfObject(storage, key, signal));
		for (const candidate of candidates) {
			const files = await proveAll(options, candidate, {signal, checksumOf});
			if (files) return files;
		}
		return undefined;
	};
	return {
		async claim(subject, files, signal) {
			const [main] = files;
			if (main?.file.sha256 === undefined) throw new PgBackError('BUG', 'a file of a shard has no checksum');
			const claim: Claim = {
				schema: 1,
				runId: run.runId,
				files: files.map(({file}) => file),
				contents: files.flatMap(({content}, index) =>
					content === undefined ? [] : [{index, base64: content.toString('base64')}],
				),
			};
			const key = `${claims}${claimName(subjectText(subject), main.file.sha256)}`;
			// An existing one is the same: it was created by an attempt with a lost response.
			await createSmallObject(storage, key, `${JSON.stringify(claim)}\n`, {signal});
		},
		async find(subject, signal) {
			const text = subjectText(subject);
			const claimed = await prove(await claimsOf(text, signal), signal);
			if (claimed) return claimed;
			// A shard that has written its manifest may have removed its claims.
			return prove(filesIn(await (known ?? manifests(signal)), text), signal);
		},
		manifests,
	};
}

function filesIn(manifests: ReadonlyMap<string, Manifest>, text: string): readonly Candidate[] {
	return [...manifests.values()].flatMap(({files}) => {
		const own = files.filter(file => parsePath(file.path)?.subjectText === text);
		const main = own.find(({role}) => isMainRole(role));
		if (!main || own.some(file => file.sha256 === undefined)) return [];
		return [{files: [main, ...own.filter(file => file !== main)]}];
	});
}

/**
 * Reads every file back. Returns undefined when the main file is another one or missing; throws when it is the right
 * one and the others are not.
 */
async function proveAll(
	{remote}: TakeOverOptions,
	{files, contents = []}: Candidate,
	{signal, checksumOf}: {readonly signal: AbortSignal; readonly checksumOf: ChecksumOf},
): Promise<Adopted | undefined> {
	const {storage, prefix} = remote;
	const {location} = storage;
	const adopted: ManifestFile[] = [];
	for (const [index, file] of files.entries()) {
		const key = `${prefix}${file.path}`;
		let stored = await checksumOf(key);
		const content = contents.find(one => one.index === index)?.base64;
		if (stored === undefined && index > 0 && content !== undefined) {
			// Another process may be faster.
			await createSmallObject(storage, key, Buffer.from(content, 'base64'), {signal});
			stored = await sha256OfObject(storage, key, signal);
		}
		if (index === 0 && stored !== file.sha256) return undefined;
		if (stored !== file.sha256)
			throw new PgBackError('EXISTS', `${display(key)} at ${remote.location} is not what this run uploaded`, {
				hint: 'compare it with the dump next to it, remove or rename both, and start this shard again',
			});
		adopted.push(shipped(file, {location, key, checked: 'read back'}));
	}
	return adopted;
}

/** Returns the SHA-256 of an object; undefined when it does not exist. */
type ChecksumOf = (key: string) => Promise<string | undefined>;

/** Reads each object once, for any number of claims. */
function memoize(read: ChecksumOf): ChecksumOf {
	const known = new Map<string, Promise<string | undefined>>();
	return key => {
		const reading = known.get(key) ?? read(key);
		known.set(key, reading);
		return reading;
	};
}

async function readManifests(
	{run, remote: {storage}, shard, manifestStem}: TakeOverOptions,
	signal: AbortSignal,
): Promise<ReadonlyMap<string, Manifest>> {
	const found = new Map<string, Manifest>();
	for await (const {key, size} of storage.list(`${manifestStem}shard-${shard.index}-of-${shard.of}.`, {signal})) {
		const parsed = parsePath(key);
		if (parsed?.suffix !== 'manifest.json' || parsed.shard?.index !== shard.index || size > largestManifest) continue;
		try {
			const content = await readSmallObject(storage, key, signal, largestManifest);
			const manifest = content === undefined ? undefined : parseManifest(content, key);
			if (manifest?.runId === run.runId && manifest.shard?.index === shard.index) found.set(key, manifest);
		} catch (error) {
			if (!(error instanceof PgBackError) || error.code !== 'CORRUPT') throw error;
			run.emit({type: 'log', level: 'warn', text: `ignoring the manifest ${key}: ${messageOf(error)}`});
		}
	}
	return found;
}
