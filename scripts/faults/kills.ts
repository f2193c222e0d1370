/** R1: SIGKILL at random moments of dump, encryption, upload and purge; after each, a run that must succeed. */
import {spawnSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {judge} from './judge.js';
import {type Bench, everything, type Figure, randomSource, runMarked, startMarked, survivors} from './sweep.js';

export async function killSweep(bench: Bench, kills: number, seed = 1): Promise<Figure> {
	const random = randomSource(seed);
	const places = bench.places('kills');
	const args = everything(bench, places);
	const violations: string[] = [];
	const notes = {'killed in time': 0, 'partial files swept': 0};
	let started = performance.now();
	const first = await runMarked(args);
	if (first.code !== 0) throw new Error(`the first run failed: ${first.stderr}`);
	let span = performance.now() - started;
	for (let round = 1; round <= kills; round++) {
		const run = await startMarked(args);
		await delay(random() * span * 1.05);
		run.child.kill('SIGKILL');
		const {code, signal} = await run.ended;
		if (signal === 'SIGKILL') notes['killed in time']++;
		else if (code !== 0) violations.push(`round ${round}: ended by itself with ${code}`);
		const alive = await survivors(run.mark, 2000);
		if (alive.length > 0) violations.push(`round ${round}: alive 2 s later: ${alive.join('; ')}`);
		for (const place of [places.directory, places.store]) {
			const {broken, partial} = judge(place, bench.identity);
			if (place === places.directory) notes['partial files swept'] += partial.length;
			violations.push(...broken.map(one => `round ${round}: after the kill, ${place}: ${one}`));
		}
		for (const lock of readdirSync(places.directory).filter(name => name.endsWith('.lock'))) {
			if (spawnSync('flock', ['-n', join(places.directory, lock), 'true']).status !== 0)
				violations.push(`round ${round}: ${lock} is still held`);
		}
		started = performance.now();
		const again = await runMarked(args);
		span = (span * 3 + performance.now() - started) / 4;
		if (again.code !== 0)
			violations.push(
				`round ${round}: the next run ended with ${again.code}: ${again.stderr.split('\n').slice(-4).join(' ')}`,
			);
		const problems = [...afterGoodRun(bench, places), ...((await bench.check?.()) ?? [])];
		violations.push(...problems.map(one => `round ${round}: ${one}`));
	}
	return {
		goal: 'R1',
		what: `kills${bench.check ? ' of runs of a standby' : ''} after which a final name does not verify, a child lives, a lock is stale or the next run is not good`,
		total: kills,
		violations,
		notes,
	};
}

/** Checks what must hold after exit status 0, above all the figure. */
export function afterGoodRun(bench: Bench, places: {readonly directory: string; readonly store: string}): string[] {
	const problems: string[] = [];
	for (const place of [places.directory, places.store]) {
		const {whole, broken, partial} = judge(place, bench.identity);
		for (const name of bench.databases)
			if (!whole.has(name)) problems.push(`exit status 0, and no whole dump of ${name} in ${place}`);
		problems.push(...broken);
		// Unfinished uploads of a dead run to a store: --cleanup-remote removes them after a day.
		if (place === places.directory) problems.push(...partial.map(name => `left behind: ${name}`));
	}
	return problems;
}
