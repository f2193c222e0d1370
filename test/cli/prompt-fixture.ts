/** Asks once and prints what came of it. With `handled` signals abort, as the program's own handler does. */
import {promptSecret} from '../../source/cli/prompt.js';
import {CancelledError, PgBackError} from '../../source/core/errors.js';

const controller = new AbortController();
if (process.argv[2] === 'handled') {
	process.once('SIGTERM', () => controller.abort(new CancelledError('SIGTERM', 143)));
	process.once('SIGHUP', () => controller.abort(new CancelledError('SIGHUP', 129)));
}
console.log(`pid ${process.pid}`);
try {
	const secret = await promptSecret('passphrase', {signal: controller.signal});
	console.log(`secret: ${JSON.stringify([secret])}`);
} catch (error) {
	console.log(error instanceof PgBackError ? `error: ${error.code} ${error.exitCode} ${error.message}` : error);
}
