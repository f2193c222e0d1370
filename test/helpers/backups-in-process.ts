import {parseCommandLine} from '../../source/cli/parse.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import {createBus} from '../../source/core/bus.js';
import {runBackup} from '../../source/engine/backup.js';
import {createEngine} from '../../source/engine/engine.js';
import {settingProblems} from '../../source/engine/setting-problems.js';

/** `count` backups, one after the other, by one engine in this process, as a console makes them. Throws what one fails of. */
export async function backupsInProcess(words: readonly string[], count: number, after?: () => void): Promise<void> {
	const {env} = process;
	const argv = await parseCommandLine(words);
	const configuration = await loadConfiguration({argv, env, terminal: false, check: settingProblems});
	// A second goes by from run to run: their files have the time in their names, and a run waits until it has one of its own.
	let time = Date.now() - count * 1000;
	const engine = createEngine({
		bus: createBus(),
		host: 'localhost',
		pid: process.pid,
		base: {configuration, env, signal: new AbortController().signal, now: () => new Date(time), version: 'test'},
	});
	for (let run = 0; run < count; run++) {
		time += 1000;
		const {error} = await engine.start('backup', runBackup);
		if (error) throw error;
		after?.();
	}
}
