/** What is left to do by hand for a database that is complete, but could not get its name. */
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {literal, typeable} from '../postgres/quote.js';
import {readTargetDatabases, type TargetDatabase} from '../postgres/target-inventory.js';
import type {RestoreTarget} from './restore-target.js';
import {onSession} from './restore-target.js';
import {renaming, restricting, type Swap, UnknownOutcome, withFreeName} from './swap.js';

/**
 * Returns the statements, to be pasted into psql: those of the swap itself, so that a failure of one of them changes
 * nothing either, and `--swap-back` finds the database. `there` is the present one.
 */
function swapByHand(
	{name, previous, incoming, statements}: Swap,
	there: TargetDatabase | undefined,
): readonly string[] {
	const before = there && {name, connectionLimit: there.connectionLimit, comment: there.comment ?? null};
	const ended = [...(before ? [name] : []), incoming].map(literal).join(', ');
	return [
		`select pg_terminate_backend(pid) from pg_stat_activity where datname in (${ended})`,
		'begin',
		...(before ? [renaming(name, previous), ...restricting(previous, before)] : []),
		...statements,
		renaming(incoming, name),
		'commit',
	].map(statement => `${typeable(statement)};`);
}

/** Returns the present database, and the swap with a free name for it. */
async function presentOf(
	planned: Swap,
	target: RestoreTarget,
	now: Date,
): Promise<{readonly swap: Swap; readonly there: TargetDatabase | undefined}> {
	return onSession(target, async session => ({
		swap: await withFreeName(session, planned, now),
		there: (await readTargetDatabases(session, planned.name)).get(planned.name),
	})).catch(() => ({swap: planned, there: target.inventory.databases.get(planned.name)})); // the server is down
}

/** Returns an error that tells what to do after a failed swap. */
export async function swapFailure(
	error: unknown,
	planned: Swap,
	target: RestoreTarget,
	now: Date,
): Promise<PgBackError> {
	if (error instanceof UnknownOutcome) return error;
	const {swap, there} = await presentOf(planned, target, now);
	const first = error instanceof PgBackError && error.hint !== undefined ? `${error.hint}; ` : '';
	return new PgBackError(
		'FAILED',
		`cannot replace ${display(swap.name)} with ${display(swap.incoming)}: ${messageOf(error)}`,
		{
			cause: error,
			output: swapByHand(swap, there),
			hint: `${display(swap.name)} is unchanged; ${first}run the statements above to swap them by hand`,
		},
	);
}

/**
 * Returns an error that tells what to do with a complete database that could not get its name, because another one took
 * that meanwhile, or because a property could not be set. `what`: `cannot name it app`.
 */
export async function unnamedFailure(
	error: unknown,
	planned: Swap,
	{target, now, what}: {readonly target: RestoreTarget; readonly now: Date; readonly what: string},
): Promise<PgBackError> {
	const {swap, there} = await presentOf(planned, target, now);
	const present = there ? `; ${display(swap.name)}, which exists by now, becomes ${display(swap.previous)}` : '';
	return new PgBackError('FAILED', `${display(swap.incoming)} is loaded, but ${what}: ${messageOf(error)}`, {
		cause: error,
		output: swapByHand(swap, there),
		hint: `it is kept: run the statements above to put it in the place of ${display(swap.name)}${present}`,
	});
}
