/** `--find-table`: lists the dumps that contain a table, newest first. */
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {objectPattern} from '../postgres/object-patterns.js';
import type {ConfiguredContext, SecretContext} from '../runs/context.js';
import {isGone, readToc, tablesOf, type TableView} from './dump-tables.js';
import type {LocationId} from './locations.js';
import {openPlace} from './place.js';
import {createKeyRing, type DumpView, type RunView, viewRuns, withRecorded} from './run-view.js';

export type FoundTable = {
	readonly place: string;
	readonly run: RunView;
	readonly dump: DumpView;
	readonly table: TableView;
};

/**
 * Yields matches as they are found. Dumps that cannot be read are reported as warnings. Throws NOTHING_TO_DO at the end
 * when no dump contains the table. Those that are gone are counted in one line.
 */
export async function* findTable(
	run: ConfiguredContext & SecretContext,
	pattern: string,
	id: LocationId,
): AsyncGenerator<FoundTable> {
	const matches = objectPattern(pattern);
	const keyRing = createKeyRing(run);
	const place = await openPlace(run, id);
	let dumps = 0;
	let found = 0;
	let unknown = 0;
	let gone = 0;
	const skip = (text: string) => {
		unknown++;
		run.emit({type: 'log', level: 'warn', text: display(text)});
	};
	try {
		for (const view of await viewRuns(run.signal, place)) {
			gone += view.gone.length;
			const needsKey = view.dumps.some(dump => dump.encrypted);
			const keys = needsKey ? await keyRing() : undefined;
			const whole = await withRecorded(run, place, view, keys);
			for (const dump of whole.dumps) {
				run.signal.throwIfAborted();
				dumps++;
				try {
					const tables = tablesOf(dump, await readToc(run, place, dump, keys));
					if (!tables) skip(`${dump.path} is plain SQL without recorded tables: it was not searched`);
					for (const table of tables ?? []) {
						if (!matches(table)) continue;
						found++;
						yield {place: place.label, run: whole, dump, table};
					}
				} catch (error) {
					run.signal.throwIfAborted();
					if (isGone(error)) gone++;
					else if (isAboutTheDump(error)) skip(`${dump.path} was not searched: ${messageOf(error)}`);
					else throw error;
				}
			}
		}
		if (gone > 0) {
			const are = gone === 1 ? 'is' : 'are';
			const text = `${plural(gone, 'dump')} of these runs ${are} gone, as after a purge: not searched`;
			run.emit({type: 'log', level: 'info', text});
		}
		if (found > 0) return;
		const rest = unknown === 0 ? '' : `, ${unknown} of which could not be searched`;
		throw new PgBackError(
			'NOTHING_TO_DO',
			`no dump at ${display(place.label)} holds a table ${display(pattern)}: looked at ${plural(dumps, 'dump')}${rest}`,
			{hint: "a pattern is as for pg_dump -t: orders, sales.orders, 'audit.*'"},
		);
	} finally {
		await place.close();
	}
}

function isAboutTheDump(error: unknown): boolean {
	return error instanceof PgBackError && ['CORRUPT', 'TOOLS', 'WRONG_KEY'].includes(error.code);
}
