/** One upload: to a hidden name, checked, flushed, and only then to its own name. */
import {createHash, randomBytes, randomInt, type Hash} from 'node:crypto';
import type {Stats} from 'ssh2';
import {partialPattern} from '../../lib/files.js';
import {isPermanentError, StorageError} from '../errors.js';
import {createFiller, type Filler} from '../fill.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import type {Session} from './connection.js';
import {statusOf} from './errors.js';
import {flush, isMissingStatus, makeDirectories, request, run, statIfThere} from './requests.js';
import {closeQuietly, readPipelined, writePipelined} from './transfer.js';

/** What `onJournal` is given: the unfinished file and how much of it the server has confirmed. */
type Journal = {readonly partial: string; readonly bytes: number};

/** Journals that nobody needs before a crash come after so many more bytes. */
const journalEvery = 8 * 1024 * 1024;
/** Milliseconds that the removal of an unfinished file may take after a failure. */
const cleanupTime = 3000;

export async function upload(
	session: Session,
	path: string,
	source: PutSource,
	options: PutOptions,
): Promise<PutResult> {
	const {sftp} = session;
	const slash = path.lastIndexOf('/');
	if (options.ifAbsent) await refuseExisting(session, path);
	await makeDirectories(sftp, path.slice(0, slash === 0 ? 1 : Math.max(slash, 0)));
	const old = journalOf(options.journal, path);
	const partial =
		old?.partial ?? `${path.slice(0, slash + 1)}.pg_back-${randomRun()}-${randomBytes(4).toString('hex')}.part`;
	const state = {confirmed: 0, told: 0};
	const tell = (bytes: number): void => {
		state.told = bytes;
		options.onJournal?.({partial, bytes} satisfies Journal);
	};
	const onConfirmed = (bytes: number): void => {
		state.confirmed = bytes;
		options.onProgress?.(bytes);
		if (bytes >= state.told + journalEvery) tell(bytes);
	};
	try {
		const written = await writePartial(session, partial, source, {
			...options,
			resumeAt: old?.bytes ?? 0,
			onConfirmed,
			onOpen: tell,
		});
		await publish(session, partial, path, options.ifAbsent ?? false);
		const {size} = (await statIfThere(sftp, path)) ?? {size: 0};
		if (size !== written.size) throw new StorageError('corrupt', `${size} of ${written.size} bytes are there`);
		return {
			size,
			checked:
				['size', written.hashed && 'sha256 of what was sent'].filter(Boolean).join(' and ') +
				` checked${written.flushed ? ', flushed' : ''}`,
		};
	} catch (error) {
		if (options.onJournal && mayGoOn(error, options.signal)) tell(state.confirmed);
		else {
			await removePartial(session, partial);
			options.onJournal?.(undefined);
		}
		throw error;
	}
}

function randomRun(): string {
	return Array.from({length: 6}, () => randomInt(36).toString(36)).join('');
}

/** A journal is somebody's text: only an unfinished file of ours, beside the final one, is gone on with. */
function journalOf(journal: unknown, path: string): Journal | undefined {
	const {partial, bytes} = (journal ?? {}) as {partial?: unknown; bytes?: unknown};
	if (typeof partial !== 'string' || typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
		return undefined;
	const folder = path.slice(0, path.lastIndexOf('/') + 1);
	return partial.startsWith(folder) && partialPattern.test(partial.slice(folder.length)) ? {partial, bytes} : undefined;
}

/** A later run can go on after an abort or trouble that passes; not after an error of the source or a refusal. */
function mayGoOn(error: unknown, signal: AbortSignal): boolean {
	if (signal.aborted) return true;
	const status = statusOf(error);
	if (status !== undefined) return status !== 3;
	return (
		!isPermanentError(error) || (error instanceof Error && /No response from server|Not connected/.test(error.message))
	);
}

type WriteOptions = PutOptions & {
	readonly resumeAt: number;
	readonly onConfirmed: (bytes: number) => void;
	readonly onOpen: (bytes: number) => void;
};

type Written = {readonly size: number; readonly flushed: boolean; readonly hashed: boolean};

async function writePartial(
	session: Session,
	partial: string,
	source: PutSource,
	options: WriteOptions,
): Promise<Written> {
	const {sftp} = session;
	const begun = await openPartial(session, partial, source, options);
	const {handle, filler, hash} = begun;
	try {
		options.onOpen(begun.offset);
		if (begun.offset > 0) options.onConfirmed(begun.offset);
		const size = await writePipelined(session, handle, filler, begun.offset, {
			...options,
			onBytes: bytes => hash?.update(bytes),
		});
		const expected = options.sha256?.();
		const hashed = hash !== undefined && expected !== undefined;
		if (hashed && hash.digest('hex') !== expected)
			throw new StorageError('invalid', 'the bytes are not those whose sha256 is recorded');
		const flushed = await flush(session, handle);
		const stats = await request<Stats>(done => sftp.fstat(handle, done));
		if (stats.size !== size) throw new StorageError('corrupt', `${stats.size} of ${size} bytes are there`);
		await run(done => sftp.close(handle, done));
		return {size, flushed, hashed};
	} catch (error) {
		await closeQuietly(session, handle);
		throw error;
	} finally {
		await filler.close();
	}
}

type Begun = {
	readonly handle: Buffer;
	readonly filler: Filler;
	readonly hash: Hash | undefined;
	readonly offset: number;
};

/** The unfinished file of the journal when it holds the very bytes of the source, else a new one. */
async function openPartial(
	session: Session,
	partial: string,
	source: PutSource,
	options: WriteOptions,
): Promise<Begun> {
	const {sftp} = session;
	const {resumeAt, signal} = options;
	const startHash = () => (options.sha256 ? createHash('sha256') : undefined);
	if (resumeAt > 0) {
		const handle = await openIfThere(session, partial);
		if (handle) {
			const hash = startHash();
			const filler = createFiller(source, 0, signal);
			if (await holdsSame(session, handle, filler, hash, {resumeAt, signal, size: source.size})) {
				await run(done => sftp.fsetstat(handle, {size: resumeAt}, done));
				return {handle, filler, hash, offset: resumeAt};
			}
			await filler.close();
			await run(done => sftp.close(handle, done));
		}
	}
	await removeIfThere(session, partial);
	const handle = await request<Buffer>(done => sftp.open(partial, 'wx', done));
	return {handle, filler: createFiller(source, 0, signal), hash: startHash(), offset: 0};
}

async function openIfThere({sftp}: Session, partial: string): Promise<Buffer | undefined> {
	try {
		return await request<Buffer>(done => sftp.open(partial, 'r+', done));
	} catch (error) {
		if (isMissingStatus(error)) return undefined;
		throw error;
	}
}

/** Reads back what the server has and compares it with the source, byte by byte; the source is then at `resumeAt`. */
async function holdsSame(
	session: Session,
	handle: Buffer,
	filler: Filler,
	hash: Hash | undefined,
	{
		resumeAt,
		size,
		signal,
	}: {readonly resumeAt: number; readonly size: number | undefined; readonly signal: AbortSignal},
): Promise<boolean> {
	const stats = await request<Stats>(done => session.sftp.fstat(handle, done));
	if (stats.size < resumeAt || (size !== undefined && resumeAt > size)) return false;
	for await (const theirs of readPipelined(session, handle, 0, resumeAt, signal)) {
		const ours = Buffer.allocUnsafe(theirs.length);
		if ((await filler.fill(ours)) !== theirs.length || !ours.equals(theirs)) return false;
		hash?.update(ours);
	}
	return true;
}

/**
 * `posix-rename@openssh.com` replaces in one step. The plain rename of SFTP never replaces (OpenSSH makes a hard link for it), which
 * is what `ifAbsent` needs; where nothing else is offered, the old file has to go first.
 */
async function publish(session: Session, partial: string, path: string, ifAbsent: boolean): Promise<void> {
	const {sftp, offers} = session;
	if (!ifAbsent && offers('posix-rename@openssh.com')) {
		await run(done => sftp.ext_openssh_rename(partial, path, done));
		return;
	}
	try {
		await run(done => sftp.rename(partial, path, done));
	} catch (error) {
		if (!(await statIfThere(sftp, path))) throw error;
		if (ifAbsent) throw new StorageError('exists', 'it exists already');
		await run(done => sftp.unlink(path, done));
		await run(done => sftp.rename(partial, path, done));
	}
}

async function refuseExisting({sftp}: Session, path: string): Promise<void> {
	if (await statIfThere(sftp, path)) throw new StorageError('exists', 'it exists already');
}

export async function removeIfThere({sftp}: Session, path: string): Promise<void> {
	try {
		await run(done => sftp.unlink(path, done));
	} catch (error) {
		if (!isMissingStatus(error)) throw error;
	}
}

/** The failure that led here is what counts; a server that no longer answers must not hold it back. */
async function removePartial(session: Session, partial: string): Promise<void> {
	if (!session.isOpen()) return;
	const timer = setTimeout(() => session.destroy(), cleanupTime);
	await removeIfThere(session, partial).catch(() => undefined);
	clearTimeout(timer);
}
