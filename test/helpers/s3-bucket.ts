/** The one bucket of a test server, as our S3 store opens it. */
import {openS3, type S3Settings} from '../../source/storage/s3/s3.js';
import {type S3Server, type S3ServerOptions, startS3Server, testCredential} from './s3-server.js';
import {fastClock, testContext} from './storage-tools.js';

const mebi = 1024 * 1024;

/** Returns the settings for the bucket at `url`, with parts of 1 MiB unless `more` says otherwise. */
export function bucketAt(url: string, more: Partial<S3Settings> = {}): S3Settings {
	const place = {bucket: 'bucket', region: 'us-east-1', endpoint: url, forcePath: true, partSize: mebi};
	return {...place, ...testCredential, ...more};
}

export type Bucket = {
	readonly server: S3Server;
	readonly context: ReturnType<typeof testContext>;
	/** Opens the bucket, without decorators; `withBucket` closes it. */
	readonly open: (more?: Partial<S3Settings>) => ReturnType<typeof openS3>;
};

/** Calls `use` with the bucket of a server of its own, and closes both. */
export async function withBucket(
	options: S3ServerOptions,
	use: (bucket: Bucket) => Promise<void>,
	limits: Parameters<typeof testContext>[0] = {},
): Promise<void> {
	const server = await startS3Server(options);
	const context = testContext({clock: fastClock(), ...limits});
	const opened: Awaited<ReturnType<typeof openS3>>[] = [];
	try {
		await use({
			server,
			context,
			async open(more) {
				const storage = await openS3(bucketAt(server.url, more), context);
				opened.push(storage);
				return storage;
			},
		});
	} finally {
		for (const storage of opened) await storage.close();
		await server.close();
	}
}
