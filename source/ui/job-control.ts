/** Stops, continues, and waits in the background, like jobs of a shell. */
import {once} from 'node:events';
import process from 'node:process';

/** Milliseconds: `fg` on a job that runs in the background sends no signal. */
const pollInterval = 250;

/** Stops this program like Ctrl-Z in other programs; resolves when it is continued, or when `stopped` resolves. */
export async function stopSelf(stopped: Promise<unknown> = new Promise(() => {})): Promise<void> {
	const continued = once(process, 'SIGCONT');
	process.kill(process.pid, 'SIGSTOP');
	await Promise.race([continued, stopped]);
}

/** Resolves when we are the foreground job of the shell, or when `stopped` resolves. */
export async function whenForeground(isForeground: () => boolean, stopped: Promise<unknown>): Promise<void> {
	const ended = Promise.withResolvers<undefined>();
	const timer = setInterval(() => {
		if (isForeground()) ended.resolve(undefined);
	}, pollInterval);
	try {
		await Promise.race([ended.promise, stopped]);
	} finally {
		clearInterval(timer);
	}
}
