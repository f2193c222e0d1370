/**
 * The remote of the restore benchmark, in a separate process: the files below a directory as objects of an S3 bucket, and
 * as plain HTTP downloads, at 50 MB/s for all connections together. Prints both addresses as one line of JSON; ends with its standard input.
 */
import {createReadStream, readdirSync, readFileSync, statSync} from 'node:fs';
import {createServer} from 'node:http';
import {type AddressInfo, connect, createServer as createTcpServer, type Server} from 'node:net';
import {join} from 'node:path';
import {Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {setTimeout as delay} from 'node:timers/promises';
import {startS3Server} from '../../test/helpers/s3-server.js';

const bytesPerSecond = 50e6;
const directory = process.argv[2] ?? '.';
const s3 = await startS3Server();
for (const name of readdirSync(directory, {recursive: true, encoding: 'utf8'})) {
	const path = join(directory, name);
	if (name.startsWith('.') || !statSync(path).isFile()) continue;
	const bytes = readFileSync(path);
	s3.objects.set(name, {
		...{bytes, size: bytes.length, etag: `"${bytes.length}"`, modified: Date.now(), headers: {}, version: '1'},
	});
}

/** When the line is free again, in milliseconds. */
let free = 0;

function throttle(): Transform {
	return new Transform({
		transform(chunk: Buffer, _encoding, done) {
			const now = performance.now();
			free = Math.max(free, now) + (chunk.length / bytesPerSecond) * 1000;
			void delay(free - now).then(() => done(null, chunk));
		},
	});
}

async function listen(server: Server): Promise<number> {
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	return (server.address() as AddressInfo).port;
}

const front = createTcpServer(client => {
	const upstream = connect(s3.port, '127.0.0.1');
	// A client that has read enough closes its connection.
	client.pipe(upstream).on('error', () => client.destroy());
	pipeline(upstream, throttle(), client).catch(() => upstream.destroy());
});
const plain = createServer((request, response) => {
	const path = join(directory, decodeURIComponent((request.url ?? '/').slice(1)));
	pipeline(createReadStream(path), throttle(), response).catch(() => response.destroy());
});
const [frontPort, plainPort] = [await listen(front), await listen(plain)];
process.stdout.write(
	`${JSON.stringify({url: `http://127.0.0.1:${frontPort}`, plain: `http://127.0.0.1:${plainPort}`})}\n`,
);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
