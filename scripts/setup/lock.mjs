// One set-up at a time in a checkout, without a file that a killed process would leave behind.
import {createHash} from 'node:crypto';
import {createServer} from 'node:net';
import {setTimeout as sleep} from 'node:timers/promises';
import {root} from './find.mjs';
import {say} from './run.mjs';

/** Runs `action` while holding the lock `name` of this checkout; waits for another process that has it. */
export async function withLock(name, action) {
	const address = `\0pg_back-setup-${createHash('sha256').update(`${root}\n${name}`).digest('hex').slice(0, 32)}`;
	let server = await listen(address);
	if (server === undefined) say(`waiting for another set-up (${name}) …`);
	while (server === undefined) {
		await sleep(200);
		server = await listen(address);
	}
	try {
		return await action();
	} finally {
		server.close();
	}
}

/** A listener on an abstract socket belongs to the process: the kernel frees the name when it dies. */
function listen(address) {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once('error', error => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
		server.listen(address, () => {
			server.unref();
			resolve(server);
		});
	});
}
