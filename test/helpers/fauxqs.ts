/** fauxqs, an independent S3 emulator, as a child process. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {type AddressInfo, createServer} from 'node:net';
import {join} from 'node:path';
import {serverPackage} from './tools.js';

export type Fauxqs = {readonly url: string; readonly stop: () => Promise<void>};

/** Undefined when it is not installed. */
export async function startFauxqs(): Promise<Fauxqs | undefined> {
	const directory = serverPackage('fauxqs');
	if (directory === undefined) return undefined;
	const port = await freePort();
	const child = spawn(process.execPath, [join(directory, 'dist/cli.js')], {
		env: {PATH: process.env['PATH'], FAUXQS_PORT: String(port), FAUXQS_HOST: '127.0.0.1', FAUXQS_LOGGER: 'false'},
		stdio: ['ignore', 'ignore', 'pipe'],
	});
	let stderr = '';
	child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
	const url = `http://127.0.0.1:${port}`;
	for (const end = Date.now() + 30_000; ;) {
		if (child.exitCode !== null || Date.now() > end) throw new Error(`fauxqs did not start: ${stderr}`);
		const answer = await fetch(`${url}/bucket`, {method: 'PUT'}).catch(() => undefined);
		if (answer?.ok) break;
		await new Promise(resolve => setTimeout(resolve, 50));
	}
	return {
		url,
		async stop() {
			const ended = once(child, 'exit');
			child.kill('SIGTERM');
			const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
			await ended;
			clearTimeout(timer);
		},
	};
}

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	const {port} = server.address() as AddressInfo;
	await new Promise(resolve => server.close(resolve));
	return port;
}
