import type {Configuration} from '../config/configuration.js';
import type {LocationId} from '../repository/locations.js';
import {planLines, planPreview} from '../restore/describe-plan.js';
import {stopError} from '../restore/findings.js';
import {planOf} from '../restore/restore.js';
import type {RestorePlan} from '../restore/restore-plan.js';
import type {RunContext, RunResult} from '../runs/context.js';
import type {Io} from './io.js';

/** Prints on stdout what a restore would do, and all obstacles. Creates nothing. */
export async function printRestorePlan(io: Io, run: RunContext, where: LocationId): Promise<RunResult> {
	const plan = await planOf(run, where);
	print(io, run.configuration, plan);
	const stop = stopError(plan.findings);
	if (stop) throw stop;
	return {exitCode: 0, outcome: 'done'};
}

function print(io: Io, configuration: Configuration, plan: RestorePlan): void {
	if (configuration.settings.json) {
		io.stdout.write(`${JSON.stringify(planPreview(plan), null, 2)}\n`);
		return;
	}
	const words = {error: 'error', warn: 'warning'} as const;
	const lines = planLines(plan).map(({level, text}) => {
		const word = level === 'error' || level === 'warn' ? words[level] : undefined;
		return word === undefined ? text : `${word}: ${text}`;
	});
	io.stdout.write(`dry run: nothing is created or changed\n${lines.join('\n')}\n`);
}
