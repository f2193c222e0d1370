// Loaded before each test file. Node 24 has been seen to spin while it takes down a process whose tests had all passed, and its own
// --test-force-exit cuts the report short, so that tests were not counted.
import {after} from 'node:test';
import {isMainThread} from 'node:worker_threads';

// This process records its coverage at its end; the programs that tests start do not.
delete process.env.NODE_V8_COVERAGE;

let idle = 0;
/** Milliseconds for what is still open when all tests are over (a connection that is kept alive). */
const grace = 3000;
// Threads of a test end as they are made to.
if (isMainThread) {
	// The first time the runner has something left to say; it has said it when there is nothing left again.
	process.on('beforeExit', () => {
		if (++idle > 3) process.exit();
		setImmediate(() => undefined);
	});
	after(() => void setTimeout(() => process.exit(), grace).unref());
}
