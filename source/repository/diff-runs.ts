/** `--diff`: finds two runs, reads what is recorded about their dumps, and compares them. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {ArchiveToc} from '../postgres/archive-toc.js';
import type {ConfiguredContext, SecretContext, StoreContext} from '../runs/context.js';
import {isGone, readToc, tablesOf} from './dump-tables.js';
import {oneRun, parseReference, type RunReference} from './find-run.js';
import {backupLocation} from './locations.js';
import {openPlace} from './place.js';
import {compareRuns, type DatabaseDifference, type DatabaseSide, type RunSide} from './run-differences.js';
import {createKeyRing, type DumpView, type RunView, viewRuns, withRecorded} from './run-view.js';

export type ComparedRun = {
	readonly run: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	/** For people. */
	readonly place: string;
};

export type RunComparison = {
	readonly before: ComparedRun;
	readonly after: ComparedRun;
	readonly databases: readonly DatabaseDifference[];
	/** Databases that both runs dumped, and one of whose dumps is gone. */
	readonly notCompared: readonly string[];
	/** Everything was compared, and nothing differs. */
	readonly isEqual: boolean;
};

/**
 * Compares two runs named by the user; the first counts as the older one in the output. Throws NOTHING_TO_DO for an
 * unknown run or when all dumps of one are gone, USAGE for an ambiguous one, WRONG_KEY without the key of an encrypted archive, CORRUPT for a damaged
 * one.
 */
export async function diffRuns(
	run: ConfiguredContext & SecretContext,
	names: readonly [string, string],
): Promise<RunComparison> {
	const keyRing = createKeyRing(run);
	const sides: {compared: ComparedRun; side: RunSide}[] = [];
	for (const name of names) sides.push(await sideOf(run, parseReference(run, name), keyRing));
	const [before, after] = sides;
	if (!before || !after) throw new TypeError('two runs are compared');
	const {databases, notCompared} = compareRuns(before.side, after.side);
	return {
		before: before.compared,
		after: after.compared,
		databases,
		notCompared,
		isEqual: notCompared.length === 0 && databases.every(({change}) => change === 'equal'),
	};
}

async function sideOf(run: StoreContext, reference: RunReference, keyRing: ReturnType<typeof createKeyRing>) {
	const place = await openPlace(run, reference.place ?? backupLocation);
	try {
		const view = oneRun(await viewRuns(run.signal, place), reference.run, place.label);
		const keys = view.dumps.some(dump => dump.encrypted) ? await keyRing() : undefined;
		const whole = await withRecorded(run, place, view, keys);
		const databases = new Map<string, DatabaseSide>();
		const gone = [...whole.gone];
		for (const dump of whole.dumps) {
			run.signal.throwIfAborted();
			try {
				databases.set(dump.database, databaseSide(whole, dump, await readToc(run, place, dump, keys)));
			} catch (error) {
				if (!isGone(error)) throw error;
				gone.push(dump.database);
			}
		}
		if (databases.size === 0 && gone.length > 0)
			throw new PgBackError('NOTHING_TO_DO', `the dumps of run ${view.id} at ${display(place.label)} are gone`, {
				hint: 'a purge or an upload has removed them: compare a run that is there, or RUN@s3 at a remote location',
			});
		const failed = (whole.found?.manifest.failed ?? []).map(one => one.database);
		return {compared: {run: view.id, time: view.time, place: place.label}, side: {databases, failed, gone}};
	} finally {
		await place.close();
	}
}

function databaseSide({found}: RunView, dump: DumpView, toc: ArchiveToc | undefined): DatabaseSide {
	const plain = dump.recorded?.plain;
	const size = plain?.size;
	return {
		bytes: size ?? dump.bytes,
		madeAs: [
			dump.parsed.suffix,
			toc?.compression ?? `compression ${found?.manifest.options['compress_level'] ?? 'unknown'}`,
			...(size === undefined && dump.encrypted ? ['encrypted'] : []),
		].join(', '),
		tables: tablesOf(dump, toc),
		toc,
		schema: plain?.schema,
	};
}
