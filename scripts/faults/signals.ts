/** R14: SIGINT, SIGTERM or SIGHUP at random moments: a clean end with the signal's status. */
import {existsSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {constants} from 'node:os';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {judge} from './judge.js';
import {afterGoodRun} from './kills.js';
import {type Bench, everything, type Figure, lastLines, randomSource, startMarked, survivors} from './sweep.js';

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function signalSweep(bench: Bench, signals: number, seed = 5): Promise<Figure> {
	const random = randomSource(seed);
	const violations: string[] = [];
	const notes = {'ended by the signal': 0, 'before it began': 0, 'over already': 0, 'longest end, ms': 0};
	const places = bench.places('signals');
	const note = join(places.directory, '..', 'hooked');
	const hook = join(places.directory, '..', 'hook');
	writeFileSync(hook, `#!/bin/sh\necho "$PGBK_STATUS $PGBK_EXIT_CODE" > ${note}\n`, {mode: 0o755});
	const args = [...everything(bench, places), '--post-backup-hook', hook];
	const before = performance.now();
	await (
		await startMarked(args)
	).ended;
	let span = performance.now() - before;
	for (let round = 1; round <= signals; round++) {
		const name = names[round % names.length] ?? 'SIGTERM';
		const status = 128 + constants.signals[name];
		const say = (text: string) => violations.push(`round ${round} (${name}): ${text}`);
		rmSync(note, {force: true});
		const started = performance.now();
		const run = await startMarked(args);
		await delay(random() * span);
		const sent = performance.now();
		run.child.kill(name);
		const {code, signal, stderr} = await run.ended;
		const took = performance.now() - sent;
		const begun = /\d+ INFO: /.test(stderr);
		const hooked = existsSync(note) ? readFileSync(note, 'utf8').trim() : undefined;
		if (code === status) {
			notes['ended by the signal']++;
			notes['longest end, ms'] = Math.max(notes['longest end, ms'], Math.round(took));
			if (/connected to/.test(stderr) && hooked === undefined) say('the post hook did not run');
			if (hooked?.startsWith('success') && !/purging/.test(stderr)) say(`the hook was told ${hooked}`);
		} else if (signal === name && !begun) notes['before it began']++;
		else if (code === 0) {
			notes['over already']++;
			violations.push(...afterGoodRun(bench, places).map(problem => `round ${round}: ${problem}`));
			span = performance.now() - started;
		} else say(`ended with ${code ?? signal ?? '?'} instead of ${status}: ${lastLines(stderr)}`);
		if (took > 10_000) say(`took ${Math.round(took)} ms`);
		for (const problem of (await bench.check?.()) ?? []) say(problem);
		const alive = await survivors(run.mark, 500);
		if (alive.length > 0) say(`alive afterwards: ${alive.join('; ')}`);
		const left = readdirSync(places.directory).filter(file => /\.(part|lock)$/.test(file));
		if (begun && left.length > 0) say(`left behind: ${left.join(' ')}`);
		for (const place of [places.directory, places.store])
			for (const one of judge(place, bench.identity).broken) say(one);
	}
	return {
		goal: 'R14',
		what: `signals${bench.check ? ' during runs of a standby' : ''} without a clean end (status 128+N in 10 s, no child, no temporary file, hook run${bench.check ? ', replay resumed' : ''})`,
		total: signals,
		violations,
		notes,
	};
}
