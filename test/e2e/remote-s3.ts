/** Backups that are shipped to an S3 server of ours, which a test can break. */
import type {Cluster} from '../helpers/cluster.js';
import {connectTo} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import type {S3ServerOptions} from '../helpers/s3-server.js';
import {configFile, impatient, s3Settings, startS3Place} from './remote-places.js';

const mebi = 1024 * 1024;

/** A fault of the server: it does not allow what is asked for. */
export const refusal = {do: 'answer', status: 403, code: 'AccessDenied'} as const;

export type S3Place = Awaited<ReturnType<typeof startS3Place>>;

export async function withServer(options: S3ServerOptions, work: (place: S3Place) => Promise<void>): Promise<void> {
	const place = await startS3Place(options);
	try {
		await work(place);
	} finally {
		await place.stop();
	}
}

/** The arguments of a run against S3. */
export function s3Backup(
	cluster: Cluster,
	url: string,
	directory: string,
	lines: readonly string[],
	args: readonly string[],
): string[] {
	const [, ...connection] = connectTo(cluster, directory);
	const config = configFile([...s3Settings(url), ...impatient, 'upload = s3', ...lines]);
	return ['-c', config, ...connection, ...args];
}

/** A pg_dump that writes `first` MiB, waits for the file `go`, and writes `second` MiB more. */
export function slowDump(go: string, first: number, second: number): string {
	const tools = recordingTools({
		pg_dump: `head -c ${first * mebi} /dev/urandom; while [ ! -e '${go}' ]; do sleep 0.1; done; head -c ${second * mebi} /dev/urandom`,
	});
	return tools.directory;
}

/** A pg_dump of so many MiB, by the name of the database. */
export function dumpOf(size: number): string {
	return recordingTools({pg_dump: `head -c ${size * mebi} /dev/urandom`}).directory;
}
