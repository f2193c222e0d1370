import {PgBackError} from '../core/errors.js';
import {describeComparison} from '../repository/describe-differences.js';
import {type ComparedRun, diffRuns, type RunComparison} from '../repository/diff-runs.js';
import type {ConfiguredContext, RunResult, SecretContext} from '../runs/context.js';
import {type Io, writerTo} from './io.js';

/** Prints the differences on stdout, with `--json` as one object. Returns exit status 0 when there are none, else 1. */
export async function printDifferences(
	io: Io,
	run: ConfiguredContext & SecretContext,
	first: string,
): Promise<RunResult> {
	const {arguments: others, settings} = run.configuration;
	const [second, place, ...rest] = others;
	if (second === undefined || second.startsWith('@') || rest.length > 0 || (place && !place.startsWith('@')))
		throw new PgBackError('USAGE', '--diff takes two runs: --diff RUN RUN [@STORE]', {
			hint: 'a run is its id or its time, or the beginning of either; RUN@s3 is one at a remote location',
		});
	const at = (name: string) => (name.includes('@') ? name : `${name}${place ?? ''}`);
	const comparison = await diffRuns(run, [at(first), at(second)]);
	const text = settings.json ? JSON.stringify(jsonOf(comparison), null, 2) : describeComparison(comparison).join('\n');
	await writerTo(io)(`${text}\n`);
	return {exitCode: comparison.isEqual ? 0 : 1, outcome: 'done'};
}

function jsonOf({before, after, databases, notCompared, isEqual}: RunComparison) {
	const runOf = ({run, time, place}: ComparedRun) => ({run, time: new Date(time).toISOString(), place});
	return {equal: isEqual, before: runOf(before), after: runOf(after), databases, notCompared};
}
