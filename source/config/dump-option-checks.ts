/** Checks `pg_dump_options` of all databases and of each section. */
import {display} from '../lib/display.js';
import type {Blame} from './blame.js';
import {readDumpOptions} from './dump-options.js';
import type {Merged} from './merge.js';
import type {Problem} from './origin.js';

export function checkDumpOptions({anyDatabase, databases}: Merged, blame: Blame): readonly Problem[] {
	const sections = [...databases].map(([name, {pgDumpOptions}]) => [`${display(name)}: `, pgDumpOptions] as const);
	const common = problemOf(anyDatabase.pgDumpOptions);
	return [['', anyDatabase.pgDumpOptions] as const, ...sections].flatMap(([where, words]) => {
		const problem = problemOf(words);
		return problem === undefined || (where !== '' && problem === common)
			? []
			: [blame('pgDumpOptions', `${where}${problem}`)];
	});
}

function problemOf(words: readonly string[]): string | undefined {
	return readDumpOptions(words).problem;
}
