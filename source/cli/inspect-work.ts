/** The commands that inspect dumps and runs, or pin them. */
import type {Settings} from '../config/options.js';
import type {Asked} from './asked.js';
import type {Io} from './io.js';

/** Returns undefined when none of them was requested. */
export async function inspectionFor(io: Io, settings: Settings): Promise<Asked | undefined> {
	const {diff, pin, unpin, findTable} = settings;
	if (diff !== '') {
		const {printDifferences} = await import('./diff-runs.js');
		return {command: 'list', work: run => printDifferences(io, run, diff), printsResult: true};
	}
	if (findTable !== '') {
		const {printTables} = await import('./find-table.js');
		return {command: 'list', work: run => printTables(io, run, findTable), printsResult: true};
	}
	if (pin !== '' || unpin !== '') {
		const {pinRun, unpinRun} = await import('../repository/pin-run.js');
		return {command: 'list', work: run => (pin === '' ? unpinRun(run, unpin) : pinRun(run, pin)), printsResult: true};
	}
	return undefined;
}
