/** Finds the run that the user named: `RUN` or `RUN@PLACE`, by its id, its time, or the beginning of either. */
import {PgBackError, ProblemsError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {didYouMean} from '../lib/suggest.js';
import {parsePath} from '../retention/names.js';
import type {RunContext} from '../runs/context.js';
import {storeNamed, storeNames} from '../storage/definitions.js';
import {backupLocation, type LocationId} from './locations.js';
import type {Manifest} from './manifest.js';

export type RunReference = {readonly run: string; readonly place: LocationId | undefined};

/** Throws USAGE for an unknown place, and CONFIG for a store whose settings are missing. */
export function parseReference(context: Pick<RunContext, 'configuration' | 'env'>, text: string): RunReference {
	const at = text.lastIndexOf('@');
	if (at === -1) return {run: text, place: undefined};
	return {run: text.slice(0, at), place: placeNamed(context, text.slice(at + 1))};
}

/**
 * Returns the place with a name: `s3`, or `backup` (also `here`) for the backup directory. Throws like
 * `parseReference`.
 */
export function placeNamed({configuration, env}: Pick<RunContext, 'configuration' | 'env'>, text: string): LocationId {
	const name = text.trim().toLowerCase();
	if (name === backupLocation || name === 'here') return backupLocation;
	const store = storeNames.find(one => one === name);
	if (store === undefined) {
		const all = [backupLocation, ...storeNames];
		throw new PgBackError('USAGE', `there is no place ${display(text)}${didYouMean(name, all)}`, {
			hint: `places are ${all.join(', ')}`,
		});
	}
	const problems = storeNamed(store).problems(configuration.settings, env);
	if (problems.length > 0)
		throw new ProblemsError(
			'CONFIG',
			problems.map(problem => `${store} ${problem}`),
		);
	return store;
}

export type Named = {
	readonly id: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	/** The times in the names of the run's files. */
	readonly timeTexts: readonly string[];
};

/** Returns the names of a run with a manifest at `path`. */
export function namesOfRun(path: string, manifest: Manifest): Named {
	const own = parsePath(path)?.timeText;
	const times = manifest.files.flatMap(file => parsePath(file.path)?.timeText ?? []);
	return {
		id: manifest.runId,
		time: Date.parse(manifest.start),
		timeTexts: [...new Set([...(own === undefined ? [] : [own]), ...times])],
	};
}

/** Returns the only run that matches `text`. Throws NOTHING_TO_DO when none matches, and USAGE when several do. */
export function oneRun<T extends Named>(runs: readonly T[], text: string, label: string): T {
	const found = runsNamed(runs, text);
	const [first, ...others] = found;
	if (!first) {
		throw new PgBackError('NOTHING_TO_DO', `there is no run ${display(text)} at ${display(label)}`, {
			hint: 'a run is named by its id or its time (2026-10-03T02:00), or the beginning of either',
		});
	}
	if (others.length > 0) throw severalRuns(found, text, label);
	return first;
}

/** Returns the error for a text that names several runs. */
export function severalRuns(found: readonly Named[], text: string, label: string): PgBackError {
	return new PgBackError(
		'USAGE',
		`${display(text)} names ${found.length} runs at ${display(label)}: ${found.slice(0, 5).map(describeRun).join(', ')}${found.length > 5 ? ', …' : ''}`,
		{hint: 'write more of the id or of the time'},
	);
}

export function describeRun({id, time}: Pick<Named, 'id' | 'time'>): string {
	return display(`${id} of ${new Date(time).toISOString().replace('.000Z', 'Z')}`);
}

/** Returns the runs with this id or time; without any, those whose id or time begins with `text`. */
export function runsNamed<T extends Named>(runs: readonly T[], text: string): readonly T[] {
	if (text === '') return [];
	const exact = runs.filter(run => run.id === text || run.timeTexts.includes(text));
	if (exact.length > 0) return exact;
	const blank = text.replace(' ', 'T');
	return runs.filter(
		run =>
			run.id.startsWith(text) ||
			new Date(run.time).toISOString().startsWith(blank) ||
			run.timeTexts.some(time => time.startsWith(text) || time.startsWith(blank)),
	);
}
