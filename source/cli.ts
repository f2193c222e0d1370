/** The bin: sets the process up, runs main, and is the only place that ends the process. */
import {enableCompileCache} from 'node:module';
import {userInfo} from 'node:os';
import {join} from 'node:path';
import {errorText} from './cli/fail.js';
import {main} from './cli/main.js';
import {keepHeapSmall} from './cli/memory.js';
import {errorCodes, messageOf, PgBackError, toPgBackError} from './core/errors.js';

// Nobody else may read what we write, from the first byte on; a stricter umask of the caller's stays.
process.umask(process.umask(0o077) | 0o077);
// In our own home: whoever could write to a cache (Node's own choice is a directory of all, in /tmp) could change what we run.
try {
	enableCompileCache(process.env['NODE_COMPILE_CACHE'] ?? join(userInfo().homedir, '.cache/pg_back'));
} catch {
	// A user without an entry in the system's list has no home: it goes without.
}
keepHeapSmall();

// A reader that went away (`| head`) or a terminal that died must not end the work; who needs to know asks at the write.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
// But a result that could not be written (a full disk) is no success.
process.stdout.once('error', (error: NodeJS.ErrnoException) => {
	if (error.code === 'EPIPE') return;
	process.stderr.write(
		errorText(new PgBackError('FAILED', `cannot write to standard output: ${toPgBackError(error).message}`)),
	);
	process.once('exit', code => {
		if (code === 0) process.exitCode = errorCodes.FAILED;
	});
});

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
	process.on(event, (error: unknown) => {
		process.stderr.write(bugText(error));
		process.exit(errorCodes.BUG); // children are ended by the kernel with us
	});
}

main({
	argv: process.argv.slice(2),
	env: process.env,
	// Looked at, it loads all that node has for reading files.
	get stdin() {
		return process.stdin;
	},
	stdout: process.stdout,
	stderr: process.stderr,
	exitNow: code => process.exit(code),
}).then(
	code => {
		process.exitCode = code;
		// All is written by then. Taking a process down piece by piece, as node does when nothing is left to do, has been seen to spin.
		process.once('beforeExit', () => process.exit());
		// Nothing that is left (a socket that lingers in an SDK) may keep a finished run alive.
		setTimeout(() => process.exit(code), 2000).unref();
	},
	(error: unknown) => {
		process.stderr.write(bugText(error));
		process.exit(errorCodes.BUG);
	},
);

function bugText(error: unknown): string {
	return errorText(error instanceof PgBackError ? error : new PgBackError('BUG', messageOf(error), {cause: error}));
}
