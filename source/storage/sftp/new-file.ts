/** Creates remote files, and explains why the server rejects one. */
import {randomBytes} from 'node:crypto';
import {StorageError} from '../errors.js';
import type {Session} from './connection.js';
import {saysFull, statusOf} from './errors.js';
import {joinPath, parentOf} from './paths.js';
import {lstatIfThere} from './requests.js';

/** The server accepts files in this directory, but none with this name. */
export class NameRefusedError extends StorageError {}

/** Creates a file and fails when it exists. Throws EXISTS, NameRefusedError, or the server's error. */
export async function openNew(session: Session, path: string): Promise<Buffer> {
	const {requests} = session;
	try {
		return await requests.open(path, 'wx');
	} catch (error) {
		const status = statusOf(error);
		if (status === undefined) throw error;
		if (await lstatIfThere(requests, path).catch(() => undefined))
			throw new StorageError('exists', 'already exists', {cause: error});
		if (saysFull(error as Error) || !(await takesFiles(session, parentOf(path)))) throw error;
		throw nameRefused(path.slice(path.lastIndexOf('/') + 1), error);
	}
}

/** Names the file, and the fix if the name is one of ours with a time in it. */
function nameRefused(name: string, cause: unknown): NameRefusedError {
	const isTime = /\d{4}-\d\d-\d\dT\d\d:\d\d/.test(name);
	return new NameRefusedError('invalid', `the server rejects the name ${name}, but accepts others`, {
		cause,
		hint: name.includes(':')
			? `it does not accept colons, like Windows: set timestamp_format = legacy${isTime ? '' : ', and rename the database'}`
			: 'the file system of the server does not accept such names: choose another timestamp_format, upload_prefix or directory',
	});
}

/** Returns true when a file with a harmless name can be created there. It is removed immediately. */
async function takesFiles({requests}: Session, directory: string): Promise<boolean> {
	const path = joinPath(directory, `pg_back-probe-${randomBytes(4).toString('hex')}`);
	let handle: Buffer;
	try {
		handle = await requests.open(path, 'wx');
	} catch (error) {
		if (statusOf(error) === undefined) throw error;
		return false;
	}
	await requests.close(handle).catch(() => undefined); // it is empty
	await requests.unlink(path).catch(() => undefined); // an empty file with a descriptive name
	return true;
}
