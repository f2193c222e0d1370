/** Restores that were being configured in a console whose terminal was lost: one small private file each. */
import {createHash} from 'node:crypto';
import {mkdir, readdir, rm} from 'node:fs/promises';
import {userInfo} from 'node:os';
import {join} from 'node:path';
import {isSystemError, PgBackError, toPgBackError} from '../core/errors.js';
import type {DraftsHandle, KeptDraft} from '../core/restore-handle.js';
import {boolean, count, type Decode, DecodeError, dictionary, list, object, optional, string} from '../lib/decode.js';
import type {Environment} from '../lib/environment.js';
import {createPartial, discardPartial, publish} from '../lib/files.js';
import {readSmallFile, requireOwn, UnsafeFileError} from '../lib/own-file.js';
import {isPrivateDirectory} from '../lib/trusted-file.js';
import {newRunId} from '../runs/context.js';

/** Bytes. */
const longest = 1024 * 1024;
/** Milliseconds. */
const keptFor = 7 * 86_400_000;

const draft: Decode<KeptDraft> = object({
	key: string,
	label: string,
	at: count,
	values: dictionary(string),
	databases: list(string),
	schemas: list(string),
	objects: list(object({id: count, schema: optional(string), name: string})),
	dependents: boolean,
});

export function createDraftsHandle(env: Environment): DraftsHandle {
	const directory = draftsDirectory(env);
	const pathOf = (key: string) =>
		join(directory, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`);

	async function keep(one: KeptDraft): Promise<void> {
		const partial = await createPartial(pathOf(one.key), newRunId().tag, 0o600);
		try {
			await partial.handle.writeFile(JSON.stringify(one));
			await partial.handle.sync();
			await publish(partial.path, pathOf(one.key), {replace: true});
		} catch (error) {
			await discardPartial(partial.path);
			throw error;
		} finally {
			await partial.handle.close();
		}
	}

	return {
		async keptDrafts() {
			const drafts = await readAll(directory, pathOf);
			return drafts.filter(({at}) => at > Date.now() - keptFor).toSorted((a, b) => b.at - a.at);
		},
		async keepDrafts(drafts) {
			if (drafts.length === 0) return;
			try {
				await mkdir(directory, {recursive: true, mode: 0o700});
				if (!(await isPrivateDirectory(directory)))
					throw new PgBackError('FILE_SYSTEM', `${directory} is not a private directory of this user`);
				for (const one of await readAll(directory, pathOf))
					if (one.at <= Date.now() - keptFor) await rm(pathOf(one.key), {force: true});
				for (const one of drafts) await keep(one);
			} catch (error) {
				throw toPgBackError(error);
			}
		},
		async forgetDraft(key) {
			try {
				if (await isPrivateDirectory(directory)) await rm(pathOf(key), {force: true});
			} catch (error) {
				throw toPgBackError(error);
			}
		},
	};
}

/** XDG Base Directory Specification: XDG_STATE_HOME, which must be absolute. */
function draftsDirectory(env: Environment): string {
	const state = env['XDG_STATE_HOME'];
	return join(state?.startsWith('/') ? state : join(homeOf(env), '.local/state'), 'pg_back/restore-drafts');
}

function homeOf(env: Environment): string {
	try {
		return userInfo().homedir;
	} catch {
		return env['HOME'] ?? '/'; // a user without an entry in the system's list
	}
}

/** Files that are not ours, or not what we wrote, are ignored. */
async function readAll(directory: string, pathOf: (key: string) => string): Promise<readonly KeptDraft[]> {
	const drafts: KeptDraft[] = [];
	try {
		if (!(await isPrivateDirectory(directory))) return [];
		for (const name of await readdir(directory)) {
			if (!name.endsWith('.json')) continue;
			const one = await read(join(directory, name));
			if (one && pathOf(one.key) === join(directory, name)) drafts.push(one);
		}
	} catch (error) {
		if (!isSystemError(error)) throw error;
	}
	return drafts;
}

async function read(path: string): Promise<KeptDraft | undefined> {
	try {
		const {bytes, stats} = await readSmallFile(path, longest);
		requireOwn(stats, {uid: process.geteuid?.() ?? -1, keepsModes: true});
		return draft(JSON.parse(bytes.toString()), '');
	} catch (error) {
		if (error instanceof UnsafeFileError || error instanceof DecodeError || error instanceof SyntaxError)
			return undefined;
		throw error;
	}
}
