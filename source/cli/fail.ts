import {type PgBackError, ProblemsError} from '../core/errors.js';
import {logLine} from '../lib/log-line.js';

/**
 * Returns a FATAL line for each problem and a HINT line, in the format of the log (`precise`: of a verbose one); for a
 * bug of ours also the stack.
 */
export function errorText(error: PgBackError, {now = Date.now(), precise = false} = {}): string {
	const problems = error instanceof ProblemsError ? error.problems : [error.message];
	const hints = [
		...(error.hint === undefined ? [] : [error.hint]),
		...(error.code === 'BUG'
			? [
					`this is a bug in pg_back, please report it with the text below (node ${process.version}, ${process.platform})`,
				]
			: []),
	];
	const stack = error.code === 'BUG' && error.cause instanceof Error ? `${error.cause.stack ?? ''}\n` : '';
	return [
		...problems.map(problem => logLine(now, 'fatal', problem, precise)),
		...hints.map(hint => logLine(now, 'hint', hint, precise)),
		stack,
	].join('');
}
