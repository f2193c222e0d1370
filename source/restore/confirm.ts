/** Confirms replacements: nothing is replaced unless its name is given with --confirm, or typed at the terminal. */
import {messageOf, PgBackError} from '../core/errors.js';
import type {JobQuestion} from '../core/events.js';
import {isConfirmed, textToType} from '../lib/confirmation.js';
import {display} from '../lib/display.js';
import {formatBytes, formatCount, plural} from '../lib/format.js';
import {storedData, type StoredTable} from '../postgres/progress-inventory.js';
import {readTargetDatabases} from '../postgres/target-inventory.js';
import type {ConfirmContext, RunContext} from '../runs/context.js';
import type {JobControl} from '../runs/scheduler.js';
import {confirmOption} from './command-line.js';
import type {DatabasePlan} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';

const shownTables = 6;

/** Throws USAGE unless the user names exactly what will be replaced. */
export async function confirmPlan(
	run: Pick<RunContext, 'askLine'>,
	names: readonly string[],
	confirmed: readonly string[] | undefined,
): Promise<void> {
	if (names.length === 0 || confirmed !== undefined) return;
	const shown = textToType(names);
	if (!run.askLine) {
		throw new PgBackError('USAGE', `${shown} would be replaced, but this was not confirmed`, {
			hint: `nothing was done; add ${confirmOption(names)}`,
		});
	}
	const typed = await run.askLine(
		`type the ${names.length === 1 ? 'name' : 'names, separated by commas,'} of what will be replaced (${shown})`,
	);
	if (!isConfirmed(typed, names)) throw new PgBackError('USAGE', `${display(typed)} is not ${shown}: nothing was done`);
}

/** Returns `3 tables: sales.orders 24 MiB (~200 000 rows), ... and 2 more`, the largest first. */
function describeTables(tables: readonly StoredTable[]): string {
	const count = plural(tables.length, 'table');
	if (tables.length === 0) return count;
	const largest = tables.toSorted((a, b) => b.bytes - a.bytes).slice(0, shownTables);
	const texts = largest.map(({schema, name, bytes, rows}) => {
		const estimate = rows === undefined ? '' : ` (~${plural(rows, 'row')})`;
		return `${display(`${schema}.${name}`)} ${formatBytes(bytes)}${estimate}`;
	});
	const more = tables.length - largest.length;
	return `${count}: ${texts.join(', ')}${more > 0 ? `, and ${formatCount(more)} more` : ''}`;
}

async function tablesOf(target: RestoreTarget, database: string): Promise<readonly StoredTable[]> {
	const session = await target.open(database);
	try {
		return (await storedData(session)).tables;
	} finally {
		await session.close();
	}
}

/** Shows the old and the new database, and asks again if there is a user. Throws USAGE for any other answer. */
export async function confirmSwap(
	run: ConfirmContext,
	target: RestoreTarget,
	{target: name, hidden}: DatabasePlan,
	{id, signal}: Pick<JobControl, 'id' | 'signal'>,
): Promise<void> {
	const {askJob, askLine} = run;
	if (!askJob && !askLine) return;
	const databases = await readTargetDatabases(target.session);
	const describe = async (database: string): Promise<string> => {
		const {size} = databases.get(database) ?? {};
		const sizeText = size === undefined ? 'of unknown size' : formatBytes(size);
		try {
			return `${sizeText}, ${describeTables(await tablesOf(target, database))}`;
		} catch (error) {
			run.signal.throwIfAborted();
			return `${sizeText}, contents unknown: ${messageOf(error)}`; // a damaged database is a reason to replace it
		}
	};
	const question: JobQuestion = {
		kind: 'replace',
		name,
		present: await describe(name),
		restored: await describe(hidden),
	};
	run.emit({type: 'job.asked', job: id, question});
	try {
		const typed = await (askJob?.(id, question, signal) ?? askLine?.(`replace ${display(name)} now? type its name`));
		if (typed === undefined || !isConfirmed(typed, [name]))
			throw new PgBackError('USAGE', `${display(typed ?? '')} is not ${display(name)}: nothing was replaced`);
	} finally {
		run.emit({type: 'job.asked', job: id});
	}
}
