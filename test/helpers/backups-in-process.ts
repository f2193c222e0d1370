import {runBackup} from '../../source/backup/backup.js';
import {parseCommandLine} from '../../source/cli/parse.js';
import {settingProblems} from '../../source/cli/setting-problems.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import {createBus} from '../../source/core/bus.js';
import {createEngine} from '../../source/engine.js';
import {toolEnvironment} from '../../source/postgres/environment.js';
import {secretVariables} from '../../source/storage/definitions.js';

/**
 * Makes `count` backups, one after the other, by one engine in this process, like a console. Throws the error of a
 * failed one.
 */
export async function backupsInProcess(words: readonly string[], count: number, after?: () => void): Promise<void> {
	const {env} = process;
	const argv = await parseCommandLine(words);
	const configuration = await loadConfiguration({commandLine: argv, env, terminal: false, check: settingProblems});
	// The clock advances a second for each run: their files have the time in their names, and a run waits until it has
	// its own.
	let time = Date.now() - count * 1000;
	const engine = createEngine({
		bus: createBus(),
		host: 'localhost',
		pid: process.pid,
		base: {
			configuration,
			env,
			toolEnv: toolEnvironment(env, secretVariables),
			signal: new AbortController().signal,
			now: () => new Date(time),
			version: 'test',
		},
	});
	for (let run = 0; run < count; run++) {
		time += 1000;
		const {error} = await engine.start('backup', runBackup);
		if (error) throw error;
		after?.();
	}
}
