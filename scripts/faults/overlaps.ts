/** R13: two runs of the same databases into the same directory at the same time. */
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {afterGoodRun} from './kills.js';
import {type Bench, everything, type Figure, randomSource, startMarked, survivors} from './sweep.js';

type Span = {readonly from: number; readonly to: number};

export async function overlapSweep(bench: Bench, pairs: number, seed = 4): Promise<Figure> {
	const random = randomSource(seed);
	const violations: string[] = [];
	const notes = {'one was refused': 0, 'one after the other': 0};
	const places = bench.places('pairs');
	const all = [...everything(bench, places), '--log-format', 'json'];
	for (let pair = 1; pair <= pairs; pair++) {
		const say = (text: string) => violations.push(`pair ${pair}: ${text}`);
		// For the globals the second run waits, often until the first is done: without them the two meet at the databases.
		const args = pair % 2 === 0 ? all : [...all, '--dump-only'];
		const first = await startMarked(args);
		await delay(random() * 400);
		const second = await startMarked(args);
		const ends = await Promise.all([first.ended, second.ended]);
		const codes = ends.map(end => end.code);
		for (const run of [first, second]) {
			const alive = await survivors(run.mark, 1000);
			if (alive.length > 0) say(`alive 1 s later: ${alive.join('; ')}`);
		}
		for (const name of bench.databases) {
			const spans = ends.flatMap(end => dumpSpan(end.stdout, name));
			if (spans.length === 0) say(`nobody dumped ${name} (${codes.join(' and ')})`);
			const [a, b] = spans;
			if (a && b && a.from < b.to && b.from < a.to) say(`both dumped ${name} at the same time`);
			const lock = join(places.directory, `${name}.lock`);
			if (existsSync(lock) && spawnSync('flock', ['-n', lock, 'true']).status !== 0)
				say(`the lock of ${name} is not free`);
		}
		for (const code of codes)
			if (code !== 0 && code !== 11)
				say(`exit status ${code}: ${ends.flatMap(end => messagesOf(end.stdout)).join('; ')}`);
		if (codes.includes(11)) notes['one was refused']++;
		else notes['one after the other']++;
		violations.push(...afterGoodRun(bench, places).map(problem => `pair ${pair}: ${problem}`));
	}
	return {
		goal: 'R13',
		what: 'overlapping pairs in which both or none dumped, or a lock was not free 1 s later',
		total: pairs,
		violations,
		notes,
	};
}

function messagesOf(text: string): string[] {
	return text
		.split('\n')
		.flatMap(line => (line.includes('"error":{') ? [/"message":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? line] : []));
}

/** Returns when the dump of a database ran, if it succeeded, from the events. */
function dumpSpan(text: string, database: string): Span[] {
	const events = text
		.split('\n')
		.filter(line => line !== '')
		.map(line => JSON.parse(line) as {type: string; job?: string; stage?: string; outcome?: string; time: number});
	const of = (type: string) =>
		events.find(
			event =>
				event.type === type &&
				event.job === `database:${database}` &&
				(type !== 'stage.started' || event.stage === 'dump'),
		);
	const started = of('stage.started');
	const finished = of('job.finished');
	return started && finished?.outcome === 'done' ? [{from: started.time, to: finished.time}] : [];
}
