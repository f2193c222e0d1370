/** Describes a run of another process. */
import {formatDuration} from '../lib/format.js';
import type {RunElsewhere} from './handle.js';

/** Returns `backup of process 4242, since 3m`. `now` is in milliseconds since the epoch. */
export function describeElsewhere({command, pid, host, since}: RunElsewhere, now: number): string {
	const age = since === undefined ? NaN : (now - Date.parse(since)) / 1000;
	return [
		`${command ?? 'run'}${pid === undefined ? '' : ` of process ${pid}`}${host === undefined ? '' : ` on ${host}`}`,
		age >= 0 ? `running for ${formatDuration(Math.round(age))}` : '',
	]
		.filter(text => text !== '')
		.join(', ');
}
