/** Decides when what a job writes is sent to the remote locations. Pure. */
import type {Settings} from '../config/options.js';

/**
 * `after`: its files, when they are complete. `stream`: its bytes while they are written, without a local file.
 * `members`: the files of a directory dump while pg_dump runs, with at most `spool_limit` here.
 */
export type Sending = 'after' | 'stream' | 'members';

export function sendingOf(
	{localCopy, spoolLimit}: Pick<Settings, 'localCopy' | 'spoolLimit'>,
	isDirectory: boolean,
): Sending {
	if (isDirectory && spoolLimit > 0) return 'members';
	return localCopy ? 'after' : 'stream';
}
