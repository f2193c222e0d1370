/**
 * `npm run test:faults [SWEEP]...`: breaks runs in every way that can be thought of and counts what must not happen. The short form
 * takes minutes; PG_BACK_FULL=1 takes hours, at the sizes that a release is judged by. `syscalls:fsync,link` takes those calls only.
 */
import {parseArgs} from 'node:util';
import {damageSweep} from './damage.js';
import {keySweep} from './keys.js';
import {killSweep} from './kills.js';
import {modeSweep} from './modes.js';
import {nameSweep} from './names.js';
import {overlapSweep} from './overlaps.js';
import {powerSweep} from './power.js';
import {regressionSweep} from './regression.js';
import {remoteSweep} from './remote.js';
import {secretSweep} from './secrets.js';
import {signalSweep} from './signals.js';
import {full, openBench, print, type Bench, type Figure} from './sweep.js';
import {manySoak, runsSoak, streamSoak} from './soak.js';
import {standbySweep} from './standby.js';
import {syscallSweep} from './syscalls.js';

type Sweep = (bench: Bench, part: string | undefined) => Promise<Figure | readonly Figure[]>;

const sweeps: Readonly<Record<string, Sweep>> = {
	kills: bench => killSweep(bench, full ? 500 : 10),
	syscalls: (bench, part) => syscallSweep(bench, full ? undefined : 14, undefined, part?.split(',')),
	power: bench => powerSweep(bench, full ? 100_000 : 5000),
	names: () => nameSweep(full ? 1000 : 5),
	keys: () => keySweep(full ? 220 : 80, full ? 220 : 6),
	overlaps: bench => overlapSweep(bench, full ? 100 : 5),
	signals: bench => signalSweep(bench, full ? 200 : 10),
	standby: () => standbySweep(full ? 60 : 6),
	secrets: () => secretSweep(),
	remote: bench => remoteSweep(bench, full ? 1000 : 12),
	modes: bench => modeSweep(bench),
	damage: bench => damageSweep(bench, full ? 1000 : 60),
	regression: () => regressionSweep(),
	soak: () => manySoak(full ? 2000 : 200),
	runs: () => runsSoak(full ? 2000 : 40),
	stream: () => streamSoak(full ? 100 : 3),
};

const {positionals} = parseArgs({allowPositionals: true});
const chosen =
	positionals.length > 0
		? positionals
		: Object.keys(sweeps).filter(name => full || !['regression', 'soak', 'runs', 'stream'].includes(name));
const unknown = chosen.filter(name => !((name.split(':')[0] ?? '') in sweeps));
if (unknown.length > 0)
	throw new Error(`no such sweep: ${unknown.join(', ')}; there are ${Object.keys(sweeps).join(', ')}`);

// More rows would make each round longer, and find no more: kills and signals come at a random part of a run's time.
const bench = await openBench(full ? 30 : 20);
const figures: Figure[] = [];
try {
	for (const name of chosen) {
		const started = performance.now();
		const [sweep = '', part] = name.split(':');
		const result = await sweeps[sweep]?.(bench, part);
		const lines = result === undefined ? [] : [result].flat();
		figures.push(...lines);
		for (const line of lines)
			process.stdout.write(`${print(line)}  [${Math.round((performance.now() - started) / 1000)} s]\n`);
	}
} finally {
	await bench.close();
}
const lies = figures.flatMap(figure => figure.violations.filter(text => text.includes('exit status 0'))).length;
const points = figures.reduce((sum, figure) => sum + figure.total, 0);
process.stdout.write(
	`R23  exit status 0 while a requested database has no verified file at every requested place: ${lies} of ${points}\n`,
);
const violations = figures.reduce((sum, figure) => sum + figure.violations.length, 0);
process.stdout.write(`${violations} violations in ${points} points\n`);
// At once: Node 24 has been seen to spin while it takes down what servers and proxies leave.
process.exit(violations === 0 ? 0 : 1);
