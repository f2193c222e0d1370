/** Reads which functions of the program a run with NODE_V8_COVERAGE has executed. */
import {readdir, readFile} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {sourceName} from './source-name.mjs';

export type ExecutedFunction = {
	/** In the source: without the number that esbuild gives to the second of a name. */
	readonly name: string;
	/** False: V8 postpones it until its first call. */
	readonly isEager: boolean;
};

type Coverage = {
	readonly result: readonly {
		readonly url: string;
		readonly functions: readonly {
			readonly functionName: string;
			readonly ranges: readonly {readonly startOffset: number; readonly count: number}[];
		}[];
	}[];
};

/** Functions that are declarations, or were before the build rewrote them, in the files that every backup loads. */
export async function executedFunctions(directory: string): Promise<readonly ExecutedFunction[]> {
	const executed: ExecutedFunction[] = [];
	for (const file of await readdir(directory)) {
		const {result} = JSON.parse(await readFile(join(directory, file), 'utf8')) as Coverage;
		for (const {url, functions} of result) {
			if (!['program.js', 'encryption.js'].includes(basename(url))) continue;
			const text = await readFile(fileURLToPath(url), 'utf8');
			for (const {functionName, ranges} of functions) {
				const {startOffset = 0, count = 0} = ranges[0] ?? {};
				const [, declared] =
					/^(?:async )?function\*?( [\w$]+)?\(/.exec(text.slice(startOffset, startOffset + 200)) ?? [];
				const isEager = declared === undefined && text[startOffset - 1] === '(';
				if (count === 0 || functionName === '' || (declared === undefined && !isEager)) continue;
				executed.push({name: sourceName(functionName), isEager});
			}
		}
	}
	return executed;
}
