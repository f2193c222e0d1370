/**
 * Checks the configured commands: programs that another user could replace are not run, and syntax that only a shell
 * interprets is reported.
 */
import {basename} from 'node:path';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import {isExecutable, programPath, whyUntrusted} from '../lib/trusted-file.js';
import {type OptionName, options, type Settings} from './options.js';

export type CommandChecks = {
	readonly problems: readonly {readonly option: OptionName; readonly text: string}[];
	readonly warnings: readonly string[];
};

const commands = ['preBackupHook', 'postBackupHook', 'cipherPassCommand'] as const;

/** Only checks; runs nothing. */
export async function checkCommands(settings: Settings, env: Environment): Promise<CommandChecks> {
	const problems: {option: OptionName; text: string}[] = [];
	const warnings: string[] = [];
	for (const option of commands) {
		const words = settings[option];
		const key = options[option].key;
		for (const path of await programsOf(words, env)) {
			const {problem, weakness} = await whyUntrusted(path, {executed: true});
			if (problem !== undefined)
				problems.push({option, text: `${display(path)} will not be executed: ${display(problem)}`});
			else if (weakness !== undefined) warnings.push(`${key}: ${display(weakness)}`);
		}
		if (option === 'cipherPassCommand') continue; // rejected when it is parsed
		const [sign] = words.filter(word => isForShell(word));
		if (sign !== undefined && !startsShell(words))
			warnings.push(`${key}: executed without a shell, ${display(sign)} is passed literally: write sh -c '…'`);
	}
	return {problems, warnings};
}

/** Returns the program, and the scripts that it is given to interpret. */
async function programsOf(words: readonly string[], env: Environment): Promise<readonly string[]> {
	const [command, ...args] = words;
	if (command === undefined || command === '') return [];
	const program = await programPath(command, env);
	if (program === undefined) return []; // reported when it is run
	const named = interpreters.test(basename(command)) ? args.flatMap(arg => arg.split(/[\s;|&()"'`]+/)) : [];
	const scripts: string[] = [];
	for (const path of new Set(named)) {
		// A script that an interpreter reads need not be executable; a word of `sh -c` must be.
		const isScript = path === args.find(arg => !arg.startsWith('-')) && !args.includes('-c');
		if (path.includes('/') && (isScript || (await isExecutable(path)))) scripts.push(path);
	}
	return [program, ...scripts];
}

const shells = /^(?:ba|da|z|k|a|fi)?sh$|^busybox$/;
const interpreters =
	/^(?:ba|da|z|k|a|fi)?sh$|^busybox$|^(?:python|perl|ruby|node)[\d.]*$|^(?:env|sudo|su|runuser|setpriv|nice|ionice|timeout)$/;

function startsShell(words: readonly string[]): boolean {
	return words.some(word => shells.test(basename(word)));
}

/** Returns true for a word without spaces that a shell would change. A word with spaces was quoted on purpose. */
function isForShell(word: string): boolean {
	if (/\s/.test(word)) return false;
	return /^(?:\|\|?|&&?|;|\d?[<>]{1,2}.*|~(?:\/.*)?)$|\$[({A-Za-z_]|`|;$/.test(word);
}
