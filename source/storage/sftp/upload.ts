/** One upload: to a hidden name, checked, flushed, and then renamed to its final name. */
import {randomBytes} from 'node:crypto';
import {partialPattern} from '../../lib/files.js';
import {isPermanentError, StorageError} from '../errors.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import type {Session} from './connection.js';
import {statusFault, statusOf} from './errors.js';
import {NameRefusedError} from './new-file.js';
import {makeDirectories, parentOf} from './paths.js';
import {checkPublished, DamagedError, publish, RenameRefusedError} from './publish.js';
import {isThere, unlinkForGood, unlinkIfThere} from './requests.js';
import {writeFile, type Written} from './write-file.js';

/** The destination of an upload. */
export type UploadTarget = {
	readonly path: string;
	/** Six characters in the names of unfinished files. */
	readonly run: string;
	/** The configured directory; its file system is asked whether it is full. */
	readonly directory: string;
	/** The parent directory of the file is known to exist. */
	readonly hasParent: boolean;
	readonly traits: TargetTraits;
	readonly warn: (text: string) => void;
};

/** Properties of a server that are learned during uploads, shared by all uploads of a storage. */
export type TargetTraits = {
	/** False once the server refused to rename an unfinished file: files are then written under their final names. */
	renames: boolean;
	/** Incomplete files of this process under their final names that could not be removed. */
	readonly unfinished: Set<string>;
	/** Renames that may have been done although the connection was lost, by final name. */
	readonly unanswered: Map<string, Written & {readonly partial: string}>;
};

/** The argument of `onJournal`: the unfinished file and how much of it the server has confirmed. */
type Journal = {readonly partial: string; readonly bytes: number};

/** Bytes between two journals, which are only needed after a crash. */
const journalEvery = 8 * 1024 * 1024;
/** Milliseconds for the removal of an unfinished file after a failure. */
const cleanupTime = 3000;

export async function upload(
	session: Session,
	target: UploadTarget,
	source: PutSource,
	options: PutOptions,
): Promise<PutResult> {
	const {path, traits} = target;
	if (!target.hasParent) await makeDirectories(session.requests, parentOf(path));
	const journal = journalOf(options.journal, path);
	await refuseExisting(session, target, options, journal);
	if (!traits.renames) requireFile(source);
	if (traits.renames && journal?.partial !== path) {
		try {
			return await uploadTo(session, target, {name: journal?.partial ?? partialFor(target), journal, source}, options);
		} catch (error) {
			if (!(error instanceof RenameRefusedError || error instanceof NameRefusedError)) throw error;
			if (options.atomic) throw error;
			renamesRefused(target, error.message);
			requireFile(source);
			options.onProgress?.(0);
		}
	}
	if (options.atomic) throw new RenameRefusedError('unsupported', 'the server rejects renames');
	const old = journal?.partial === path ? journal : undefined;
	if (journal && !old) await unlinkIfThere(session.requests, journal.partial);
	try {
		return await uploadTo(session, target, {name: path, journal: old, source}, options);
	} catch (error) {
		// The server rejected this name, not renaming in general.
		if (error instanceof NameRefusedError) traits.renames = true;
		throw error;
	}
}

/**
 * Finds out in a new session whether the rename was done whose answer was lost: nothing else moves an unfinished file.
 * Returns undefined if there is none, or if it was not done.
 */
export async function settleRename(
	session: Session,
	{path, traits}: Pick<UploadTarget, 'path' | 'traits'>,
	options: PutOptions,
): Promise<PutResult | undefined> {
	const sent = traits.unanswered.get(path);
	if (!sent) return undefined;
	const isMoved = !(await isThere(session.requests, sent.partial)) && (await isThere(session.requests, path));
	if (isMoved) await checkPublished(session, {name: sent.partial, path}, sent.size);
	traits.unanswered.delete(path);
	return isMoved ? resultOf(sent, options) : undefined;
}

function resultOf({size, flushed}: Written, {ifAbsent}: PutOptions): PutResult {
	return {size, proof: {by: 'size'}, flushed, ...(ifAbsent && {created: true})};
}

/** Throws when the source cannot be sent again: it would be visible before it is complete. */
function requireFile({canRestart}: PutSource): void {
	if (canRestart === undefined) return;
	throw new StorageError('unsupported', 'the server cannot rename a file, so a dump cannot be streamed to it', {
		hint: 'set local_copy = yes: the dump is then written here first',
	});
}

/** Warns once, even if several uploads find it at the same time. */
function renamesRefused({traits, warn}: UploadTarget, reason: string): void {
	if (traits.renames) warn(`${reason}: files are written under their final names, and removed when an upload fails`);
	traits.renames = false;
}

/** `name` is hidden, or the final path if the server does not rename. */
type Attempt = {readonly name: string; readonly journal: Journal | undefined; readonly source: PutSource};

async function uploadTo(
	session: Session,
	{path, directory, traits}: UploadTarget,
	{name, journal, source}: Attempt,
	options: PutOptions,
): Promise<PutResult> {
	const isFinal = name === path;
	const state = {confirmed: 0, reported: 0, isOurs: false};
	const report = (bytes: number): void => {
		state.reported = bytes;
		options.onJournal?.({partial: name, bytes} satisfies Journal);
	};
	const onConfirmed = (bytes: number): void => {
		state.confirmed = bytes;
		options.onProgress?.(bytes);
		if (bytes >= state.reported + journalEvery) report(bytes);
	};
	const onOpen = (bytes: number): void => {
		state.isOurs = true;
		state.confirmed = bytes;
		report(bytes);
	};
	try {
		if (isFinal && !options.ifAbsent && !journal) await unlinkIfThere(session.requests, path);
		const {signal, sha256} = options;
		const resumeAt = journal?.bytes;
		const written = await writeFile(session, name, source, {signal, sha256, resumeAt, isFinal, onConfirmed, onOpen});
		if (!isFinal) {
			traits.unanswered.set(path, {...written, partial: name});
			await publish(session, name, path, options);
		}
		await checkPublished(session, {name, path}, written.size);
		traits.unanswered.delete(path);
		traits.unfinished.delete(path);
		return resultOf(written, options);
	} catch (error) {
		if (session.isOpen()) traits.unanswered.delete(path);
		const failure = await explain(session, error, directory);
		const stays = !isFinal && options.onJournal !== undefined && canResume(failure, options.signal);
		if (failure instanceof DamagedError) options.onJournal?.(undefined);
		else if (state.isOurs && (stays || !(await removeUnfinished(session, name)))) {
			if (isFinal) traits.unfinished.add(path);
			report(state.confirmed);
		} else if (state.isOurs || !canResume(failure, options.signal)) options.onJournal?.(undefined);
		throw failure;
	}
}

function partialFor({path, run}: UploadTarget): string {
	return `${path.slice(0, path.lastIndexOf('/') + 1)}.pg_back-${run}-${randomBytes(4).toString('hex')}.part`;
}

/**
 * Returns the unfinished file that a journal names, which the cleanup keeps. Undefined when it is not a journal of
 * SFTP.
 */
export function partialOfJournal(journal: unknown): string | undefined {
	const {partial} = (journal ?? {}) as {partial?: unknown};
	return typeof partial === 'string' ? partial : undefined;
}

/**
 * A journal is read from a file: only an unfinished file of ours next to the final one, or the final one, is resumed.
 */
function journalOf(journal: unknown, path: string): Journal | undefined {
	const partial = partialOfJournal(journal);
	const {bytes} = (journal ?? {}) as {bytes?: unknown};
	if (partial === undefined || typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) return undefined;
	const folder = path.slice(0, path.lastIndexOf('/') + 1);
	const isOurs = partial.startsWith(folder) && partialPattern.test(partial.slice(folder.length));
	return isOurs || partial === path ? {partial, bytes} : undefined;
}

/**
 * Returns whether a later run can resume: after an abort or a transient failure, but not after an error of the source
 * or a rejection.
 */
function canResume(failure: unknown, signal: AbortSignal): boolean {
	if (signal.aborted) return true;
	return !isPermanentError(failure) && !(failure instanceof StorageError && failure.fault === 'corrupt');
}

/**
 * Converts the server's errors to StorageErrors. OpenSSH returns "failure" for a write to a full disk, so the file
 * system is asked.
 */
async function explain(session: Session, error: unknown, directory: string): Promise<unknown> {
	const status = statusOf(error);
	if (status === undefined) return error;
	const isFull = status === 4 && session.isOpen() && session.offers('statvfs@openssh.com');
	if (isFull && (await session.requests.freeBlocks(directory || '.').catch(() => 1)) === 0)
		return new StorageError('full', 'no space left on the server', {cause: error});
	const {fault, reason} = statusFault(error as Error, status);
	return new StorageError(fault, reason, {cause: error});
}

async function refuseExisting(
	{requests}: Session,
	{path, traits}: UploadTarget,
	{ifAbsent, atomic}: PutOptions,
	journal: Journal | undefined,
): Promise<void> {
	if (!ifAbsent || atomic || journal?.partial === path || !(await isThere(requests, path))) return;
	if (!traits.unfinished.has(path)) throw new StorageError('exists', 'already exists');
	await unlinkIfThere(requests, path);
	traits.unfinished.delete(path);
}

/** Returns whether the file no longer exists; a server that does not respond must not delay the failure. */
async function removeUnfinished(session: Session, path: string): Promise<boolean> {
	if (!session.isOpen()) return false;
	const timer = setTimeout(() => session.destroy(), cleanupTime);
	try {
		await unlinkForGood(session.requests, path);
		return true;
	} catch {
		return false; // the original failure is the one to report
	} finally {
		clearTimeout(timer);
	}
}
