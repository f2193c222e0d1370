/**
 * `npm run bench:startup`: compares the duration of --version and --help with `node -e 0` on the same host,
 * interleaved. The executable, if it was built (`npm run package -- bin`), is compared with the Node.js inside it.
 */
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {executableName, output, root} from '../package/project.js';
import {median} from './statistics.js';

type Case = {
	readonly name: string;
	readonly command: readonly [string, ...string[]];
	/** Of the time of the first case of its group. */
	readonly limit?: number;
};

const rounds = 31;
const program = join(root, 'dist/pg_back.cjs');
const executable = join(output, executableName(process.arch === 'arm64' ? 'arm64' : 'x64'));
const runtime = join(root, `.tools/runtime/node_modules/node-linux-${process.arch}/bin/node`);

const groups: readonly (readonly Case[])[] = [
	[
		{name: 'node -e 0', command: [process.execPath, '-e', '0']},
		{name: 'pg_back --version', command: [process.execPath, program, '--version'], limit: 1.5},
		{name: 'pg_back --help', command: [process.execPath, program, '--help'], limit: 2},
	],
	[
		{name: 'its own node -e 0', command: [runtime, '-e', '0']},
		{name: 'executable --version', command: [executable, '--version'], limit: 1.5},
		{name: 'executable --help', command: [executable, '--help']},
	],
];

/** Milliseconds from start to end of one process. */
function time([command, ...args]: Case['command']): number {
	const start = performance.now();
	const {status} = spawnSync(command, args, {stdio: 'ignore'});
	if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with status ${String(status)}`);
	return performance.now() - start;
}

function say(text: string): void {
	process.stdout.write(`${text}\n`);
}

for (const group of groups) {
	const missing = group.map(({command}) => command[0]).find(path => !existsSync(path));
	if (missing === undefined) measure(group);
	else say(`skipped: no ${missing} (npm run package -- bin)`);
}

function measure(group: readonly Case[]): void {
	const times = new Map<Case, number[]>(group.map(one => [one, []]));
	for (let round = -2; round < rounds; round++) {
		for (const [{command}, list] of times) {
			const duration = time(command);
			// The first rounds fill the caches, including Node's compile cache.
			if (round >= 0) list.push(duration);
		}
	}
	const [bare = 0] = [...times.values()].map(median);
	for (const [{name, limit}, list] of times) {
		const ratio = median(list) / bare;
		const verdict = limit === undefined ? '' : ratio <= limit ? `ok (limit ${limit})` : `TOO SLOW (limit ${limit})`;
		say(`${name.padEnd(20)} ${median(list).toFixed(1).padStart(7)} ms  ${ratio.toFixed(2)} x  ${verdict}`);
		if (limit !== undefined && ratio > limit) process.exitCode = 1;
	}
}
