/**
 * What is still to be shipped, and how far it is: a small hidden file beside each dump, from the moment when the dump has its name until
 * the remote has it. A run that was killed leaves it for the next.
 */
import {createHash} from 'node:crypto';
import {open, readFile, readdir, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {partialPath, renameNew} from '../lib/files.js';

export type UploadRecord = {
	/** The run that ships it, by its six characters. */
	readonly run: string;
	/** Such as `s3://bucket/`. */
	readonly location: string;
	readonly key: string;
	/** Below the directory that the record stands in. */
	readonly file: string;
	/** Bytes. */
	readonly size: number;
	/** When its content was written, milliseconds since the epoch: a file that has changed since is not gone on with. */
	readonly modified?: number;
	readonly sha256?: string;
	readonly deleteLocal: boolean;
	/** The file has not had its name yet: without it there is nothing to ship, and nothing to be told. */
	readonly announced?: boolean;
	/** What the target needs to go on where it stopped. */
	readonly journal?: unknown;
};

export const uploadRecordPattern = /^\.pg_back-upload-[0-9a-f]{16}\.json$/;

export function uploadRecordPath(directory: string, location: string, key: string): string {
	const digest = createHash('sha256').update(`${location}\0${key}`).digest('hex').slice(0, 16);
	return join(directory, `.pg_back-upload-${digest}.json`);
}

/**
 * Replaces the record in one step; one that is only announced replaces nothing and throws EEXIST. It is a help, not a proof: it is not
 * flushed.
 */
export async function writeUploadRecord(path: string, record: UploadRecord): Promise<void> {
	const partial = partialPath(path, record.run);
	const handle = await open(partial, 'wx', 0o600);
	try {
		await handle.writeFile(`${JSON.stringify(record)}\n`);
		await handle.close();
		await (record.announced ? renameNew : rename)(partial, path);
	} catch (error) {
		await handle.close().catch(() => undefined); // closed already when the writing went well
		await rm(partial, {force: true});
		throw error;
	}
}

export async function removeUploadRecord(path: string): Promise<void> {
	await rm(path, {force: true});
}

/** The records of a directory; one that cannot be understood is given without its content. */
export async function readUploadRecords(
	directory: string,
): Promise<readonly {readonly path: string; readonly record: UploadRecord | undefined}[]> {
	const names = (await readdir(directory)).filter(name => uploadRecordPattern.test(name));
	const records = await Promise.all(
		names.map(async name => {
			const path = join(directory, name);
			const text = await readFile(path, 'utf8').catch(unlessGone);
			return text === undefined ? [] : [{path, record: parseRecord(text)}];
		}),
	);
	return records.flat();
}

/** Another run has shipped its file meanwhile. */
function unlessGone(error: unknown): undefined {
	if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

function parseRecord(text: string): UploadRecord | undefined {
	try {
		const value = JSON.parse(text) as Partial<UploadRecord> | null;
		const {run, location, key, file, size} = value ?? {};
		const whole = [run, location, key, file].every(one => typeof one === 'string') && typeof size === 'number';
		return whole ? (value as UploadRecord) : undefined;
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}
