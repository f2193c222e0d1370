/** `npm run bench:startup`: how long --version and --help take, against `node -e 0` on the same machine, interleaved. */
import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {median} from './statistics.js';

const rounds = 31;
const program = join(import.meta.dirname, '../../dist/pg_back.cjs');
const cases = [
	{name: 'node -e 0', args: ['-e', '0'], limit: undefined},
	{name: 'pg_back --version', args: [program, '--version'], limit: 1.5},
	{name: 'pg_back --help', args: [program, '--help'], limit: 2},
] as const;

/** Milliseconds from start to end of one process. */
function time(args: readonly string[]): number {
	const start = performance.now();
	const {status} = spawnSync(process.execPath, args, {stdio: 'ignore'});
	if (status !== 0) throw new Error(`${args.join(' ')} ended with status ${String(status)}`);
	return performance.now() - start;
}

const times = new Map(cases.map(({name}) => [name as string, [] as number[]]));
for (let round = -2; round < rounds; round++) {
	for (const {name, args} of cases) {
		const duration = time(args);
		// The first rounds fill the caches, Node's compile cache among them.
		if (round >= 0) times.get(name)!.push(duration);
	}
}

const bare = median(times.get('node -e 0')!);
for (const {name, limit} of cases) {
	const ratio = median(times.get(name)!) / bare;
	const verdict = limit === undefined ? '' : ratio <= limit ? `ok (limit ${limit})` : `TOO SLOW (limit ${limit})`;
	process.stdout.write(
		`${name.padEnd(20)} ${median(times.get(name)!).toFixed(1).padStart(7)} ms  ${ratio.toFixed(2)} x  ${verdict}\n`,
	);
	if (limit !== undefined && ratio > limit) process.exitCode = 1;
}
