// Children and messages of the set-up.
import {spawn} from 'node:child_process';

/** One line on stderr for each thing that is done. */
export function say(text) {
	process.stderr.write(`[setup] ${text}\n`);
}

/** Seconds since `start` (milliseconds of performance.now), for a message. */
export function seconds(start) {
	return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

/**
 * Runs a command without a standard input and gives {code, stdout, stderr, output (both, as they came)}; a command that cannot
 * be started has code 127. `timeout` in milliseconds ends it (code 124).
 */
export function run(command, commandArguments, {cwd, env, timeout = 600_000} = {}) {
	return new Promise(resolve => {
		const result = {code: 0, stdout: '', stderr: '', output: ''};
		const child = spawn(command, commandArguments, {
			cwd,
			env: {...process.env, ...env},
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		const timer = setTimeout(() => {
			result.code = 124;
			child.kill('SIGKILL');
		}, timeout);
		for (const name of ['stdout', 'stderr']) {
			child[name].setEncoding('utf8').on('data', text => {
				result[name] += text;
				result.output += text;
			});
		}
		child.on('error', error => {
			clearTimeout(timer);
			resolve({...result, code: 127, output: error.message});
		});
		child.on('close', code => {
			clearTimeout(timer);
			resolve({...result, code: result.code || (code ?? 1)});
		});
	});
}

/** Like `run`, but throws an error with the last lines of output when the command fails. */
export async function mustRun(command, commandArguments, options) {
	const result = await run(command, commandArguments, options);
	if (result.code !== 0) {
		const tail = result.output.trim().split('\n').slice(-4).join(' | ');
		throw new Error(
			`${[command, ...commandArguments].join(' ').slice(0, 120)} ended with status ${result.code}: ${tail}`,
		);
	}
	return result;
}
