/**
 * The S3 server of the benchmark, in a separate process: it discards bodies, and can list a million objects. Prints its
 * URL.
 */
import {startS3Server} from '../../test/helpers/s3-server.js';

const server = await startS3Server({forget: true, synthetic: Number(process.argv[2] ?? 0)});
process.stdout.write(`${server.url}\n`);
process.stdin.resume();
process.stdin.on('end', () => void server.close());
