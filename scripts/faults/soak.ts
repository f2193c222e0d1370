/** R19: one run of many databases: its memory and its open files do not grow with what it has done. */
import {readdirSync, readFileSync} from 'node:fs';
import {setTimeout as delay} from 'node:timers/promises';
import {startCluster} from '../../test/helpers/cluster.js';
import {connectTo, scratchDirectory, startProgram} from '../../test/helpers/program.js';
import {median} from '../bench/statistics.js';
import {lastLines, type Figure} from './sweep.js';

type Look = {readonly done: number; readonly mebibytes: number; readonly descriptors: number};

const limits = {mebibytes: 250, growth: 1.05};
/** What starts up has not yet settled. */
const settled = 100;

export async function soakSweep(databases: number): Promise<Figure> {
	const server = await startCluster({name: 'soak', settings: {max_connections: '60'}});
	const violations: string[] = [];
	try {
		const statements = Array.from({length: databases}, (_, index) => `create database soak_${index}`);
		for (let at = 0; at < databases; at += 100)
			await server.psql('postgres', statements.slice(at, at + 100).join(';\n'));
		const directory = scratchDirectory('soak');
		const running = await startProgram([...connectTo(server, directory), '-q', '--dump-only', '-j', '4']);
		const looks: Look[] = [];
		while (running.child.exitCode === null && running.child.signalCode === null) {
			const look = lookAt(running.child.pid ?? 0, directory);
			if (look) looks.push(look);
			await delay(100);
		}
		const {code, stderr} = await running.ended;
		if (code !== 0) violations.push(`exit status ${code}: ${lastLines(stderr)}`);
		const busy = looks.filter(look => look.done >= settled && look.done < databases);
		const [early, late] = [busy.slice(0, busy.length / 4), busy.slice((busy.length * 3) / 4)];
		const peak = Math.max(...looks.map(look => look.mebibytes));
		const growth = median(late.map(look => look.mebibytes)) / median(early.map(look => look.mebibytes));
		const usual = (some: readonly Look[]) => median(some.map(look => look.descriptors));
		if (peak > limits.mebibytes) violations.push(`${peak.toFixed(0)} MiB at the most`);
		if (growth > limits.growth) violations.push(`memory grew to ${growth.toFixed(3)} times`);
		if (usual(late) > usual(early) * limits.growth + 1)
			violations.push(`open files grew from ${usual(early)} to ${usual(late)}`);
		return {
			goal: 'R19',
			what: 'growth over one run of many databases',
			total: databases,
			violations,
			notes: {
				'MiB at the most': Math.round(peak),
				growth: growth.toFixed(3),
				'open files at the most': Math.max(...looks.map(look => look.descriptors)),
			},
		};
	} finally {
		await server.stop();
	}
}

/** Undefined: it has just ended. */
function lookAt(pid: number, directory: string): Look | undefined {
	try {
		const kibibytes = Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
		const descriptors = readdirSync(`/proc/${pid}/fd`).length;
		const done = readdirSync(directory).filter(name => name.endsWith('.dump')).length;
		return Number.isNaN(kibibytes) ? undefined : {done, mebibytes: kibibytes / 1024, descriptors};
	} catch {
		return undefined;
	}
}
