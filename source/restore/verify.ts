/** Verifies local or remote dumps: reads every byte, and checks everything that the format and the keys allow. */
import {contentsNames} from '../core/directory-dump.js';
import {isSystemError, PgBackError, toPgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {drain} from '../lib/release.js';
import {findTools} from '../postgres/tools.js';
import {type DumpItem, listItems} from '../repository/dump-items.js';
import type {LocationId} from '../repository/locations.js';
import type {ManifestFile} from '../repository/manifest.js';
import type {OnUnreadable} from '../repository/manifests.js';
import {openPlace, type Place} from '../repository/place.js';
import {missingMember, RecordedChecksums} from '../repository/recorded-checksums.js';
import {nothingMatches, Selection, selectionOptions, unmatchedTask} from '../repository/selection.js';
import {dumpOf, type ParsedName, parsePath} from '../retention/names.js';
import type {JobsContext, RunContext, RunResult, SecretContext, ServerContext} from '../runs/context.js';
import {loadConfiguredDecryption} from '../runs/identities.js';
import {findOptions, verifyTools} from '../runs/prepare-backup.js';
import {runJobs} from '../runs/run-jobs.js';
import type {JobControl, Task} from '../runs/scheduler.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import {counted} from '../stages/dump.js';
import {MultiHash} from '../stages/hash.js';
import {dumpKind, readDirectoryDump, readDump, type VerifyTools} from '../stages/read-dump.js';
import {named} from './decrypt.js';

/** A dump, a server-wide output, or a directory dump with its members. */

export type VerifyShared = {
	readonly run: Pick<RunContext, 'emit'>;
	readonly place: Place;
	readonly keys: DecryptionKeys | undefined;
	readonly tools: VerifyTools;
	readonly recorded: RecordedChecksums;
};

/**
 * Verifies dumps. `selected` accepts paths of the place; without it, the command line's patterns are used. Throws
 * NOTHING_TO_DO when nothing is selected.
 */
export async function runVerify(
	run: ServerContext & SecretContext & JobsContext,
	where: LocationId,
	selected?: (path: string) => boolean,
): Promise<RunResult> {
	const place = await openPlace(run, where);
	try {
		const damaged: Damaged[] = [];
		const {shared, items, missing, replaced, unmatched, seen} = await surveyPlace(
			run,
			place,
			selected,
			(path, error) => {
				if (isDamage(error)) damaged.push({path, error: toPgBackError(error)});
			},
		);
		if (replaced > 0) {
			const text = `${plural(replaced, 'file')} of earlier runs ${replaced === 1 ? 'is' : 'are'} gone, as after a purge: newer dumps of the same databases are here`;
			run.emit({type: 'log', level: 'info', text});
		}
		// With a pattern it may be the manifest of another run.
		const isWhole = selected === undefined && run.configuration.arguments.length === 0;
		if (items.length === 0 && missing.length === 0) {
			const [pattern] = unmatched;
			if (pattern !== undefined) throw nothingMatches(pattern, place.label, seen);
			throw new PgBackError(
				'NOTHING_TO_DO',
				`no dump to verify at ${display(place.label)}: searched ${plural(seen, 'file')}`,
				{
					hint: 'check the directory or the upload prefix',
				},
			);
		}
		return await runJobs(run, run.configuration.settings.jobs, () => [
			...items.map(item => verifyTask(shared, item)),
			...missing.map(path => missingTask(path)),
			...(isWhole ? damaged : []).map(one => failedTask(one.path, one.error)),
			...unmatched.map(pattern => unmatchedTask('verify', pattern, nothingMatches(pattern, place.label, seen))),
		]);
	} finally {
		await place.close();
	}
}

/**
 * Returns the existing files, and those in manifests: `missing` are gone without a newer dump in their place, `replaced` is the
 * number of the others that are gone. `selected` accepts paths of the place, instead of patterns.
 */
export async function surveyPlace(
	run: ServerContext & SecretContext,
	place: Place,
	selected?: (path: string) => boolean,
	onUnreadable?: OnUnreadable,
) {
	const keys = await loadConfiguredDecryption(run);
	const tools = await findTools(findOptions(run));
	if (!tools.pgRestore)
		run.emit({
			type: 'log',
			level: 'warn',
			text: 'pg_restore not found: archives are only checked against their checksums',
		});
	const manifests = await place.manifests(run.signal, onUnreadable);
	const known = new Map(manifests.flatMap(({manifest}) => manifest.files.map(file => [file.path, file] as const)));
	const patterns = selected ? [] : run.configuration.arguments;
	const selection = new Selection(patterns, selectionOptions(place, 'all'));
	const {items: dumps, checksums} = await listItems(place, run.signal);
	for (const [path, {files}] of dumps) {
		for (const file of files)
			if (!selected || selected(path) || selected(file.path)) selection.add({path: file.path, size: file.size});
	}
	const {seen} = selection;
	for (const [path, file] of known) {
		if (dumps.has(path) || file.role === 'checksum' || !isShippedTo(place, file)) continue;
		if (!selected || selected(path)) selection.add({path, size: file.size});
	}
	const {items: chosen, unmatched} = selection.result();
	// A dump is verified as a whole, even when only some of its members were named.
	const paths = [...new Set(chosen.map(({path}) => dumpOf(path)))];
	const items = paths.flatMap(path => dumps.get(path) ?? []);
	const gone = paths.filter(path => !dumps.has(path));
	const newest = newestTimes(dumps.values());
	// The manifest of a run stays while one of its files does, so it also names what a purge has removed.
	const isReplaced = (path: string) => {
		const parsed = parsePath(path);
		return parsed !== undefined && !patterns.includes(path) && parsed.time < (newest.get(parsed.subjectText) ?? 0);
	};
	const missing = items.length === 0 ? gone : gone.filter(path => !isReplaced(path));
	const shared: VerifyShared = {
		run,
		place,
		keys,
		tools: verifyTools(run, tools),
		recorded: new RecordedChecksums({
			known,
			checksums,
			read: place.read,
			stored: place.storedSha256,
			hint: 'use another run, and find out what changed the file',
		}),
	};
	return {shared, items, missing, replaced: gone.length - missing.length, unmatched, seen};
}

/** Returns the time of the newest dump of each subject that is here, by the text of the subject in file names. */
function newestTimes(items: Iterable<DumpItem>): ReadonlyMap<string, number> {
	const newest = new Map<string, number>();
	for (const {parsed, files} of items)
		if (files.some(({size}) => size > 0))
			newest.set(parsed.subjectText, Math.max(parsed.time, newest.get(parsed.subjectText) ?? 0));
	return newest;
}

/**
 * A manifest at a remote names what was uploaded there; a local one also names what may have been removed after its
 * upload.
 */
function isShippedTo(place: Place, file: ManifestFile | undefined): boolean {
	return place.remote !== undefined || file?.shipped.length === 0;
}

function missingTask(path: string): Task {
	return failedTask(path, new PgBackError('CORRUPT', `${display(path)} is missing: the manifest of its run names it`));
}

function failedTask(path: string, error: PgBackError): Task {
	return {
		plan: {id: `verify:${path}`, kind: 'verify', name: path, stages: ['verify']},
		run: () => Promise.reject(error),
	};
}

type Damaged = {readonly path: string; readonly error: PgBackError};

/**
 * A manifest that is damaged or whose disk fails: the checksums of its run are lost. One of another user, or that is
 * removed at this moment, says nothing.
 */
function isDamage(error: unknown): boolean {
	if (isSystemError(error)) return !['EACCES', 'EPERM', 'ENOENT'].includes(error.code);
	return error instanceof PgBackError && error.code === 'CORRUPT';
}

export function verifyTask(shared: VerifyShared, item: DumpItem): Task {
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

/** `full`: the content was read to its end, instead of only comparing bytes. */
type Verified = {readonly detail: string; readonly full: boolean};

async function verifyFile(shared: VerifyShared, item: DumpItem, {signal, meter}: JobControl): Promise<Verified> {
	const {keys, place, tools, recorded} = shared;
	const hash = new MultiHash(recorded.algorithms(item.path));
	const source = hashed(place.read(item.path, signal), hash, bytes => meter.count('verify', bytes));
	const {encrypted, suffix} = item.parsed;
	let read: string;
	if (!encrypted) read = await readDump(source, dumpKind(suffix), {...tools, signal});
	else if (keys)
		read = `decrypted, ${await readDump(named(item.path, decryptStream(source, keys, signal)), dumpKind(suffix), {...tools, signal})}`;
	else {
		await drain(source);
		read = 'not decrypted (no key given)';
	}
	// A reader may stop before the last byte, but the checksums are of the whole.
	await drain(source);
	const compared = await compareFile(recorded, item.path, hash, signal);
	return {detail: `${compared}, ${read}`, full: (!encrypted || keys !== undefined) && canBeRead(suffix, tools)};
}

function canBeRead(suffix: ParsedName['suffix'], {pgRestore}: VerifyTools): boolean {
	if (suffix === 'sql.lz4') return false;
	const kind = dumpKind(suffix);
	return pgRestore !== undefined || (kind !== 'archive' && kind !== 'tar');
}

async function verifyDirectory(shared: VerifyShared, item: DumpItem, {signal, meter}: JobControl): Promise<Verified> {
	const {place, keys, tools, recorded} = shared;
	const checked = new Set<string>();
	let encrypted = false;
	for (const member of item.files) {
		const hash = new MultiHash(recorded.algorithms(member.path));
		const source = hashed(place.read(member.path, signal), hash, bytes => meter.count('verify', bytes));
		if (member.path.endsWith('.age')) encrypted = true;
		if (member.path.endsWith('.age') && keys) await drain(named(member.path, decryptStream(source, keys, signal)));
		await drain(source);
		checked.add(await compareFile(recorded, member.path, hash, signal));
	}
	const there = new Set(item.files.map(member => member.path.slice(item.path.length + 1)));
	const [lost] = await recorded.missingMembers(item.path, there, signal);
	if (lost !== undefined) throw missingMember(item.path, lost);
	if (!contentsNames.some(name => there.has(name)))
		throw new PgBackError('CORRUPT', `${display(item.path)} has no toc.dat`);
	const local = place.localPath?.(item.path);
	const read = encrypted
		? keys
			? 'members decrypted'
			: 'not decrypted (no key given)'
		: local === undefined
			? 'members read'
			: await readDirectoryDump(local, {...tools, signal});
	const full = !encrypted && local !== undefined && tools.pgRestore !== undefined;
	return {detail: `${[...checked].join(', ')}, ${read}`, full};
}

/** Passes on and hashes what is read. */
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

async function compareFile(
	recorded: RecordedChecksums,
	path: string,
	hash: MultiHash,
	signal: AbortSignal,
): Promise<string> {
	const compared = await recorded.compareAll(path, {size: hash.bytes, digests: hash.digests()}, signal);
	return compared.length > 0 ? `${compared.join(' and ')} verified` : 'no checksum recorded';
}
