/** Verifies dumps that are here or at a remote location: every byte is read; what the format and the keys allow is checked. */
import {checksumAlgorithms} from '../core/formats.js';
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {findTools} from '../postgres/tools.js';
import {parsePath, type ParsedName} from '../retention/names.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/keys.js';
import {counted} from '../stages/dump.js';
import {MultiHash, type Digests} from '../stages/hash.js';
import {dumpKind, readDirectoryDump, readDump, type VerifyTools} from '../stages/verify.js';
import {findOptions, verifyTools} from './prepare.js';
import type {RunContext, RunResult} from './context.js';
import {named} from './decrypt.js';
import {runJobs} from './run-jobs.js';
import {algorithmsFor, ChecksumLists} from './checksum-files.js';
import {hasDecryptionMaterial} from './key-material.js';
import {loadRunDecryption} from './keys.js';
import type {ManifestFile} from './manifest.js';
import {resultOf} from './outcome.js';
import {selector} from './patterns.js';
import {openPlace, type Place, type PlaceFile} from './place.js';
import type {Store} from './remote.js';
import type {JobControl, Task} from './scheduler.js';

/** A dump, one of the server's own outputs, or a directory dump with its members. */
type Item = {readonly path: string; readonly parsed: ParsedName; readonly files: PlaceFile[]};

export type VerifyShared = {
	readonly run: RunContext;
	readonly place: Place;
	readonly keys: DecryptionKeys | undefined;
	readonly tools: VerifyTools;
	/** What manifests say, by path. */
	readonly known: ReadonlyMap<string, ManifestFile>;
	/** Paths of checksum files. */
	readonly checksums: ReadonlySet<string>;
	readonly lists: ChecksumLists;
};

/** `select` takes paths of the place; without it, the patterns of the command line count. */
export async function runVerify(
	run: RunContext,
	where: 'here' | Store,
	selected?: (path: string) => boolean,
): Promise<RunResult> {
	const place = await openPlace(run, where);
	try {
		const select = selected ?? selector(run.configuration.arguments, place.remote?.prefix);
		const {shared, items, missing} = await surveyPlace(run, place, select);
		if (items.length === 0 && missing.length === 0) {
			run.emit({type: 'log', level: 'warn', text: `there is nothing to verify at ${place.label}`});
			return resultOf([], run.signal);
		}
		return await runJobs(run, run.configuration.settings.jobs, () => [
			...items.map(item => verifyTask(shared, item)),
			...missing.map(path => missingTask(path)),
		]);
	} finally {
		await place.close();
	}
}

/** What is there, and what manifests say should be. */
export async function surveyPlace(run: RunContext, place: Place, select: (path: string) => boolean) {
	const keys = hasDecryptionMaterial(run) ? await loadRunDecryption(run) : undefined;
	const tools = await findTools(findOptions(run));
	if (!tools.pgRestore)
		run.emit({type: 'log', level: 'warn', text: 'there is no pg_restore: archives are only hashed'});
	const manifests = await place.manifests(run.signal);
	const known = new Map(manifests.flatMap(({manifest}) => manifest.files.map(file => [file.path, file] as const)));
	const items = new Map<string, Item>();
	const checksums = new Set<string>();
	for await (const file of place.list(run.signal)) {
		const parsed = parsePath(file.path);
		if (!parsed || parsed.subject.kind === 'run') continue;
		if (parsed.checksum !== undefined) {
			checksums.add(file.path);
			continue;
		}
		const path = parsed.member === undefined ? file.path : file.path.slice(0, -parsed.member.length - 1);
		if (!select(path) && !select(file.path)) continue;
		const item = items.get(path);
		if (item) item.files.push(file);
		else items.set(path, {path, parsed, files: [file]});
	}
	const missing = [...known.keys()].filter(
		path =>
			select(path) && !items.has(path) && known.get(path)?.role !== 'checksum' && isShippedTo(place, known.get(path)),
	);
	const shared: VerifyShared = {
		run,
		place,
		keys,
		tools: verifyTools(run, tools),
		known,
		checksums,
		lists: new ChecksumLists(checksums, place.read),
	};
	return {shared, items: [...items.values()], missing};
}

/** A manifest at a remote names what was shipped there; one here names what may have been removed after its upload. */
function isShippedTo(place: Place, file: ManifestFile | undefined): boolean {
	return place.remote !== undefined || file?.shipped.length === 0;
}

function missingTask(path: string): Task {
	return {
		plan: {id: `verify:${path}`, kind: 'verify', name: path, stages: ['verify']},
		run: () =>
			Promise.reject(new PgBackError('CORRUPT', `${display(path)} is missing: the manifest of its run names it`)),
	};
}

export function verifyTask(shared: VerifyShared, item: Item): Task {
	const {run} = shared;
	const bytes = item.files.reduce((sum, file) => sum + file.size, 0);
	return {
		plan: {id: `verify:${item.path}`, kind: 'verify', name: item.path, stages: ['verify'], estimatedBytes: bytes},
		async run(control) {
			control.meter.start('verify');
			const {detail, full} =
				item.parsed.suffix === 'd'
					? await verifyDirectory(shared, item, control)
					: await verifyFile(shared, item, control);
			control.meter.finish('verify');
			run.emit({type: 'job.result', job: control.id, result: full ? 'verified' : 'hashed', detail});
		},
	};
}

/** `full`: the content was read to its end, not only the bytes compared. */
type Verified = {readonly detail: string; readonly full: boolean};

async function verifyFile(shared: VerifyShared, item: Item, {signal, meter}: JobControl): Promise<Verified> {
	const {keys, place, tools} = shared;
	const hash = new MultiHash(algorithmsFor(shared.checksums, item.path));
	const source = hashed(place.read(item.path, signal), hash, bytes => meter.count('verify', bytes));
	const {encrypted, suffix} = item.parsed;
	let read: string;
	if (!encrypted) read = await readDump(source, dumpKind(suffix), {...tools, signal});
	else if (keys)
		read = `decrypted, ${await readDump(named(item.path, decryptStream(source, keys, signal)), dumpKind(suffix), {...tools, signal})}`;
	else {
		for await (const _ of source);
		read = 'not decrypted, for want of a key';
	}
	// A reader may stop before the last byte, after which the digests would be of a part.
	for await (const _ of source);
	const known = shared.known.get(item.path);
	const compared = await compareFile(shared, item.path, hash.bytes, hash.digests(), known, signal);
	return {detail: `${compared}, ${read}`, full: (!encrypted || keys !== undefined) && canBeRead(suffix, tools)};
}

function canBeRead(suffix: ParsedName['suffix'], {pgRestore}: VerifyTools): boolean {
	if (suffix === 'sql.lz4') return false;
	const kind = dumpKind(suffix);
	return pgRestore !== undefined || (kind !== 'archive' && kind !== 'tar');
}

async function verifyDirectory(shared: VerifyShared, item: Item, {signal, meter}: JobControl): Promise<Verified> {
	const {place, keys, known, tools} = shared;
	const file = known.get(item.path);
	const told = new Set<string>();
	let encrypted = false;
	for (const member of item.files) {
		const hash = new MultiHash(algorithmsFor(shared.checksums, member.path));
		const source = hashed(place.read(member.path, signal), hash, bytes => meter.count('verify', bytes));
		if (member.path.endsWith('.age')) encrypted = true;
		if (member.path.endsWith('.age') && keys)
			for await (const _ of named(member.path, decryptStream(source, keys, signal)));
		for await (const _ of source);
		const expected = file?.members?.find(one => `${item.path}/${one.path}` === member.path);
		told.add(await compareFile(shared, member.path, hash.bytes, hash.digests(), expected, signal));
	}
	const there = new Set(item.files.map(member => member.path.slice(item.path.length + 1)));
	const lost = file?.members?.find(member => !there.has(member.path));
	if (lost) throw new PgBackError('CORRUPT', `${display(item.path)}/${display(lost.path)} is missing`);
	if (!there.has('toc.dat') && !there.has('toc.dat.age'))
		throw new PgBackError('CORRUPT', `${display(item.path)} has no toc.dat`);
	const local = place.localPath?.(item.path);
	const read = encrypted
		? keys
			? 'members decrypted'
			: 'not decrypted, for want of a key'
		: local === undefined
			? 'members read'
			: await readDirectoryDump(local, {...tools, signal});
	const full = !encrypted && local !== undefined && tools.pgRestore !== undefined;
	return {detail: `${[...told].join(', ')}, ${read}`, full};
}

/** Passes on, and hashes, what is read. */
async function* hashed(
	source: AsyncIterable<Uint8Array>,
	hash: MultiHash,
	onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
	for await (const chunk of counted(source, onBytes)) {
		hash.update(chunk);
		yield chunk;
	}
}

type Expected = {readonly size?: number; readonly sha256?: string};

async function compareFile(
	shared: VerifyShared,
	path: string,
	size: number,
	digests: Digests,
	expected: Expected | undefined,
	signal: AbortSignal,
): Promise<string> {
	const told: string[] = [];
	if (expected?.size !== undefined && expected.size !== size) {
		throw new PgBackError('CORRUPT', `${display(path)} has ${size} bytes, its manifest says ${expected.size}`);
	}
	if (expected?.sha256 !== undefined) {
		if (expected.sha256 !== digests.sha256) throw damaged(path, 'sha256', 'the manifest of its run');
		told.push('sha256 of the manifest');
	}
	for (const algorithm of checksumAlgorithms) {
		for (const {digest, file} of await shared.lists.digestsOf(path, algorithm, signal)) {
			if (digest !== digests[algorithm]) throw damaged(path, algorithm, basename(file));
			told.push(`${algorithm} of ${basename(file)}`);
		}
	}
	return told.length > 0 ? `${told.join(' and ')} verified` : 'there is no digest of it';
}

function damaged(path: string, algorithm: string, where: string): PgBackError {
	return new PgBackError('CORRUPT', `${display(path)} is damaged: its ${algorithm} is not that of ${display(where)}`, {
		hint: 'use another run, and find out what changed the file',
	});
}
