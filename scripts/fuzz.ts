/**
 * Feeds malformed text to everything that parses text of users, each kind for this many seconds of processor time (60
 * by default), at the lowest priority: config files, files of pg_back 1, command lines, connection strings, hook
 * commands. Only our own errors may be thrown, each with its position, and quickly. Prints a line for each kind; a
 * fault with the seed and the shortest text.
 *
 * node_modules/.bin/node --import tsx scripts/fuzz.ts [SECONDS] [--seed N] [--kind NAME]... [--json]
 */
import {availableParallelism, constants, setPriority} from 'node:os';
import {parseArgs} from 'node:util';
import {fuzzKind} from './fuzzing/fuzz-kind.js';
import {kinds} from './fuzzing/kinds.js';

const {values, positionals} = parseArgs({
	allowPositionals: true,
	options: {seed: {type: 'string'}, kind: {type: 'string', multiple: true}, json: {type: 'boolean', default: false}},
});
const seconds = Number(positionals[0] ?? '60');
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const waiting = values.kind ?? Object.keys(kinds);

setPriority(constants.priority.PRIORITY_LOW);
const module = new URL('./fuzzing/kinds.ts', import.meta.url).href;

async function work(): Promise<void> {
	for (let kind = waiting.shift(); kind !== undefined; kind = waiting.shift()) {
		const result = await fuzzKind({kind, module, seconds, seed});
		const {count, fault} = result;
		if (fault) process.exitCode = 1;
		if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
		else if (fault) process.stdout.write(`${kind}: seed ${seed}: ${JSON.stringify(fault.text)}\n${fault.reason}\n`);
		else process.stdout.write(`${kind}: ${count} texts, only errors of ours (seed ${seed})\n`);
	}
}
await Promise.all(Array.from({length: availableParallelism()}, work));
