/** The log of a console whose terminal was lost. */
import {createWriteStream, lstatSync, openSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {isSystemError, messageOf, systemReason} from '../core/errors.js';
import {display} from '../lib/display.js';

const pattern = /^pg_back-\d+-[0-9a-z]+\.log$/;
/** Older ones of the same user are removed. */
const kept = 10;

export function hangupLogPath(): string {
	return join(tmpdir(), `pg_back-${process.pid}-${Date.now().toString(36)}.log`);
}

/**
 * Returns the function that appends to a new file, which only this user can read. That it cannot be written goes to `warn` once; the work
 * goes on.
 */
export function openHangupLog(path: string, warn: (text: string) => void): (text: string) => void {
	let failed = false;
	const fail = (error: unknown) => {
		if (failed) return;
		failed = true;
		const reason = isSystemError(error) ? systemReason(error) : messageOf(error);
		warn(display(`the log of the lost terminal cannot be written to ${path}: ${reason}`));
	};
	try {
		sweep(path);
		const stream = createWriteStream(path, {fd: openSync(path, 'wx', 0o600)});
		stream.on('error', fail);
		return text => void stream.write(text);
	} catch (error) {
		fail(error);
		return () => undefined;
	}
}

/** Removes all but the newest logs that earlier consoles of this user left in the same directory. */
function sweep(path: string): void {
	const directory = join(path, '..');
	const own = readdirSync(directory)
		.filter(name => pattern.test(name))
		.flatMap(name => {
			const stats = lstatSync(join(directory, name), {throwIfNoEntry: false});
			const isOurs = stats?.isFile() && stats.uid === process.geteuid?.() && (stats.mode & 0o777) === 0o600;
			return stats && isOurs ? [{file: join(directory, name), changed: stats.mtimeMs}] : [];
		})
		.toSorted((a, b) => b.changed - a.changed);
	for (const {file} of own.slice(kept - 1)) rmSync(file, {force: true});
}
