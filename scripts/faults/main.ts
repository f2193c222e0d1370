/**
 * `npm run test:faults [SWEEP]...`: breaks runs in many ways and counts violations. The short form takes minutes;
 * PG_BACK_FULL=1 takes hours, at the sizes required for a release. `syscalls:fsync,link` selects those calls only.
 */
import {parseArgs} from 'node:util';
import {damageSweep} from './damage.js';
import {dryRunSweep} from './dry-run.js';
import {keySweep} from './keys.js';
import {killSweep} from './kills.js';
import {modeSweep} from './modes.js';
import {nameSweep} from './names.js';
import {overlapSweep} from './overlaps.js';
import {plantedSweep} from './planted.js';
import {powerSweep} from './power.js';
import {regressionSweep} from './regression.js';
import {remoteSweep} from './remote.js';
import {restoreKillSweep} from './restores.js';
import {secretSweep} from './secrets.js';
import {shardSweep} from './shards.js';
import {signalSweep} from './signals.js';
import {manySoak, runsSoak, streamSoak} from './soak.js';
import {standbySweep} from './standby.js';
import {type Bench, type Figure, full, openBench, print} from './sweep.js';
import {syscallSweep} from './syscalls.js';

type Sweep = (bench: Bench, part: string | undefined) => Promise<Figure | readonly Figure[]>;

const sweeps: Readonly<Record<string, Sweep>> = {
	kills: bench => killSweep(bench, full ? 500 : 10),
	syscalls: (bench, part) => syscallSweep(bench, full ? undefined : 14, undefined, part?.split(',')),
	power: bench => powerSweep(bench, full ? 100_000 : 5000),
	names: () => nameSweep(full ? 1000 : 5),
	keys: () => keySweep(full ? 220 : 80, full ? 220 : 6),
	overlaps: bench => overlapSweep(bench, full ? 100 : 5),
	restores: bench => restoreKillSweep(bench, full ? 50 : 6),
	signals: bench => signalSweep(bench, full ? 200 : 10),
	standby: () => standbySweep(full ? 60 : 6),
	secrets: () => secretSweep(),
	remote: bench => remoteSweep(bench, full ? 1000 : 12),
	modes: bench => modeSweep(bench),
	damage: bench => damageSweep(bench, full ? 1000 : 60),
	planted: bench => plantedSweep(bench, full ? 2000 : 24),
	'dry-run': () => dryRunSweep(full ? 1000 : 8),
	regression: () => regressionSweep(),
	shards: () => shardSweep(full ? {rounds: 20, databases: 300, shards: 16} : {rounds: 2, databases: 24, shards: 4}),
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

// More rows would make each round longer without finding more: kills and signals come at a random point of a run's
// time.
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
// Exits immediately: Node 24 has been seen to loop while closing what servers and proxies leave.
process.exit(violations === 0 ? 0 : 1);
