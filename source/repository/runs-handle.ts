/** The part of the engine's handle for whole runs. The implementation is loaded at the first call. */
import {PgBackError} from '../core/errors.js';
import type {RunsHandle} from '../core/runs-handle.js';
import type {Secrets} from '../core/secrets.js';
import type {RunContext, RunResult} from '../runs/context.js';
import {hasDecryptionMaterial} from '../runs/key-material.js';
import {backupLocation, storeOf} from './locations.js';

export type RunsHandleParts = {
	readonly settings: RunContext['configuration']['settings'];
	/** Creates a separate run context for reading. */
	readonly runFor: (signal: AbortSignal, secrets?: Secrets) => RunContext;
};

export function createRunsHandle({settings, runFor}: RunsHandleParts): RunsHandle {
	/** In the backup directory and at a place of upload a run is pinned at all of them; elsewhere only there. */
	const reference = (location: string, run: string) =>
		location === backupLocation || settings.upload.some(store => store === location) ? run : `${run}@${location}`;
	const withReason = (reason: string): RunContext => {
		const run = runFor(new AbortController().signal);
		const {configuration} = run;
		return {...run, configuration: {...configuration, settings: {...configuration.settings, reason}}};
	};
	return {
		async runsOf(location, keys, {signal, secrets}) {
			const {runsOfFiles} = await import('./runs-of-files.js');
			return runsOfFiles(runFor(signal, secrets), storeOf(location) ?? backupLocation, keys);
		},
		async compareRuns(location, {before, after}, {signal, secrets}) {
			const [{diffRuns}, {describeComparison}, {runBefore}] = await Promise.all([
				import('./diff-runs.js'),
				import('./describe-differences.js'),
				import('./runs-of-files.js'),
			]);
			const run = runFor(signal, secrets);
			const first = before ?? (await runBefore(run, storeOf(location) ?? backupLocation, after));
			return describeComparison(await diffRuns(run, [`${first}@${location}`, `${after}@${location}`]));
		},
		async *findTable(location, pattern, {signal, secrets}) {
			const {findTable} = await import('./find-table.js');
			const {describeTable} = await import('./dump-tables.js');
			const place = storeOf(location) ?? backupLocation;
			const run = runFor(signal, secrets);
			if (secrets === undefined && !hasDecryptionMaterial(run)) {
				const {holdsEncrypted} = await import('./runs-of-files.js');
				if (await holdsEncrypted(run, place))
					throw new PgBackError('WRONG_KEY', 'encrypted dumps can only be searched with their key');
			}
			for await (const {dump, table} of findTable(run, pattern, place)) {
				const {rows, bytes} = table;
				yield {
					time: dump.parsed.time,
					database: dump.database,
					table: describeTable(table),
					key: dump.path,
					...(rows !== undefined && {rows}),
					...(bytes !== undefined && {bytes}),
				};
			}
		},
		async pin(location, run, reason) {
			const {pinRun} = await import('./pin-run.js');
			check(await pinRun(withReason(reason), reference(location, run)));
		},
		async unpin(location, run) {
			const {unpinRun} = await import('./pin-run.js');
			check(await unpinRun(withReason(''), reference(location, run)));
		},
	};
}

function check({error}: RunResult): void {
	if (error) throw error;
}
