/** Words for a remote location that takes and gives nothing. */
import {logTime} from '../lib/log-line.js';

export type NetworkStall = {
	readonly location: string;
	/** Milliseconds since the epoch. */
	readonly since: number;
	/** Why the last attempt failed, where one did. */
	readonly reason?: string | undefined;
};

/** `nothing sent to or received from s3://bucket/ since 10:05:12: connection refused`. */
export function stallText({location, since, reason}: NetworkStall): string {
	const [, clock = ''] = logTime(since).split(' ');
	return `nothing sent to or received from ${location} since ${clock}${reason === undefined ? '' : `: ${reason}`}`;
}
