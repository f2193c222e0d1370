/** R16: everything that a run under umask 000 creates is readable only by its owner, from its first byte on. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {scratchDirectory} from '../../test/helpers/program.js';
import {traced} from '../../test/helpers/strace.js';
import {type Bench, everything, type Figure, runMarked} from './sweep.js';

export async function modeSweep(bench: Bench): Promise<Figure> {
	const violations: string[] = [];
	let total = 0;
	const log = join(scratchDirectory('strace'), 'log');
	for (const more of [
		['-F', 'custom'],
		['-F', 'directory', '-J', '2'],
		['-F', 'plain', '--encrypt-keep-src'],
		['-F', 'tar'],
	]) {
		const places = bench.places('modes');
		const temporary = scratchDirectory('tmp');
		const wrapper = traced(log, 'openat,mkdir,mkdirat,chmod,fchmod,fchmodat,umask', {length: 4096});
		const env = {TMPDIR: temporary, PGPASSWORD: 'secret'};
		const run = await runMarked([...everything(bench, places), ...more], {wrapper, umask: '000', env});
		if (run.code !== 0) violations.push(`the run failed: ${run.stderr}`);
		// The umask is set by us and inherited by our children; a shell that reads its own sets it for a moment.
		const umasks = new Map<string, number>();
		let ours: number | undefined;
		for (const line of readFileSync(log, 'latin1').split('\n')) {
			const pid = /^\d+/.exec(line)?.[0] ?? '';
			const masked = /umask\((0[0-7]*)\)/.exec(line);
			if (masked) umasks.set(pid, Number.parseInt(masked[1] ?? '0', 8));
			if (masked && (ours === undefined || umasks.size === 1)) ours = umasks.get(pid);
			const umask = umasks.get(pid) ?? ours ?? 0;
			const created = /(openat|mkdir|mkdirat)\([^"]*"([^"]*)".*?(O_CREAT.*?)?, (0[0-7]+)\)/.exec(line);
			const changed = /f?chmod(?:at)?\((?:[^"]*"[^"]*"|\d+), (0[0-7]+)/.exec(line);
			if (created && [places.directory, places.store, temporary].some(root => created[2]?.startsWith(root))) {
				total++;
				const mode = Number.parseInt(created[4] ?? '0', 8) & ~umask;
				if ((mode & 0o077) !== 0) violations.push(`${created[2] ?? ''}: ${mode.toString(8)}`);
			}
			if (changed && (Number.parseInt(changed[1] ?? '0', 8) & 0o077) !== 0) violations.push(line.slice(0, 200));
		}
	}
	return {goal: 'R16', what: 'files and directories ever open to others under umask 000', total, violations};
}
