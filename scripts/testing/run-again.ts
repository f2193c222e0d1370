/** Tells a test that fails from one that is unstable. */
import {type FileResult, runFile} from './run-file.js';

/** More failed files than this are a broken program or machine, which running again cannot tell from anything. */
const most = 5;

export type Unstable = {
	readonly file: string;
	/** As in `FileResult`. */
	readonly failures: readonly string[];
};

/**
 * Runs failed files again, twice each, one after another with nothing else running. A file that passes both times is
 * unstable: its failures are returned, to be reported as such, and its last result replaces the failed one in `results`.
 * Only `files` are run again: the fuzzer reports the text that failed.
 */
export async function runFailedAgain(results: FileResult[], files: readonly string[]): Promise<readonly Unstable[]> {
	const failed = results.filter(({file, failed: count}) => count > 0 && files.includes(file));
	if (failed.length > most) return [];
	const unstable: Unstable[] = [];
	for (const before of failed) {
		const first = await runFile(before.file, undefined);
		const again = first.failed > 0 ? first : await runFile(before.file, undefined);
		if (again.failed > 0 || again.passed < before.passed) continue;
		results[results.indexOf(before)] = again;
		unstable.push({file: before.file, failures: before.failures});
	}
	return unstable;
}
