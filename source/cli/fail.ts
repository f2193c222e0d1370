import {ProblemsError, type PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';

/** `pg_back: error: …` and `pg_back: hint: …`, one line each; for a bug of ours also where it happened. */
export function errorText(error: PgBackError): string {
	const problems = error instanceof ProblemsError ? error.problems : [error.message];
	const lines = problems.map(problem => `pg_back: error: ${display(problem)}`);
	if (error.hint !== undefined) lines.push(`pg_back: hint: ${display(error.hint)}`);
	if (error.code === 'BUG') {
		lines.push(
			`pg_back: hint: this is a bug of pg_back: please report it with what follows (node ${process.version}, ${process.platform})`,
		);
		if (error.cause instanceof Error && error.cause.stack !== undefined) lines.push(error.cause.stack);
	}
	return `${lines.join('\n')}\n`;
}
