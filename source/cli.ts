/**
 * The program, which a launcher loads in a process that it has prepared (`launch.cjs`): runs main, and is the only module
 * that exits the process.
 */
import {isatty} from 'node:tty';
import {errorText} from './cli/fail.js';
import {outputError} from './cli/io.js';
import {main} from './cli/main.js';
import {errorCodes, messageOf, PgBackError} from './core/errors.js';
import {saveMemory} from './lib/memory.js';

saveMemory();

// A closed pipe (`| head`) or a lost terminal must not end the work; code that depends on the output checks its writes.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
// A result that could not be written (a full disk) is not a success.
process.stdout.once('error', (error: NodeJS.ErrnoException) => {
	if (error.code === 'EPIPE') return;
	process.once('exit', code => {
		if (code !== 0) return; // who waited for the write has failed with its error
		process.stderr.write(errorText(outputError(error)));
		process.exitCode = errorCodes.FAILED;
	});
});

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
	process.on(event, (error: unknown) => {
		process.stderr.write(bugText(error));
		process.exit(errorCodes.BUG); // the kernel kills children with us
	});
}

main({
	argv: process.argv.slice(2),
	program: [process.execPath, ...process.execArgv, ...process.argv.slice(1, 2)],
	env: process.env,
	// A getter, because accessing stdin loads all of Node's code for reading files.
	get stdin() {
		return process.stdin;
	},
	stdinIsTty: isatty(0),
	stdout: process.stdout,
	stderr: process.stderr,
	exitNow: code => process.exit(code),
}).then(
	code => {
		process.exitCode = code;
		// All output is written by then. Exiting piece by piece, as Node does when nothing is left to do, has been seen to
		// loop.
		process.once('beforeExit', () => process.exit());
		// Nothing that is left (a lingering socket in an SDK) may keep a finished run alive.
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
