/** Creates the database of a plan and loads its dump: the part that restores and drills share. */
import {PgBackError} from '../core/errors.js';
import type {LoadTracker} from '../progress/load-tracker.js';
import type {JobControl} from '../runs/scheduler.js';
import type {TextRows} from '../stages/dump-text.js';
import {isStatistics} from './archive-facts.js';
import {createHidden} from './create-hidden.js';
import {checkInPlace, fetchDump} from './dump-bytes.js';
import type {FillContext, Filled} from './fill-context.js';
import {type LoadCommon, loadEntries} from './load-entries.js';
import {loadMembers, openMembers} from './load-members.js';
import {loadOrder} from './load-order.js';
import {loadStream} from './load-stream.js';
import {createSubscriptions, loadPlain} from './plain-dump.js';
import {withUsage} from './read-access.js';
import {restoreItems} from './restore-items.js';
import type {DatabasePlan} from './restore-plan.js';
import {together} from './together.js';
import {workPath} from './work-path.js';

/** Loads into the database `plan.hidden`. `fetched` receives the path of a file that the caller removes. */
export async function fillDatabase(
	context: FillContext,
	plan: DatabasePlan,
	control: JobControl,
	fetched: string[],
): Promise<Filled> {
	const {run, target, options, source} = context;
	const {meter, signal} = control;
	const {prepared, road} = plan;
	const tracker = trackerFor(context, plan, control);
	meter.start('download');
	let archive: string | undefined;
	if (road === 'file') {
		const onBytes = (bytes: number) => meter.count('download', bytes);
		archive = await fetchDump(source, prepared, context.directory, {signal, onBytes});
		fetched.push(archive);
		meter.finish('download');
	} else if (road === 'in place') archive = source.place.localPath?.(prepared.dump.path);
	const order = prepared.toc && loadOrder(prepared.toc, plan.entries, target.inventory);
	const members = road === 'members' && order ? await openMembers(context, plan, order, control) : undefined;
	if (members) fetched.push(members.directory);
	signal.throwIfAborted();
	meter.start('create');
	await createHidden(run.runId, target, plan, options);
	meter.finish('create');
	signal.throwIfAborted();
	meter.start('load');
	if (!order) {
		const text = await loadPlain(context, plan, control);
		meter.finish('download');
		meter.finish('load');
		return {archive: undefined, hasStatistics: false, text};
	}
	const common = {control, tracker, ...(options.owner !== undefined && {role: options.owner})};
	let rows: readonly TextRows[] | undefined;
	let contents = members?.directory ?? archive;
	if (members) rows = await loadMembers(context, plan, common, members);
	else if (road === 'stream') {
		contents = workPath(context.directory, plan.target, 'head');
		fetched.push(contents);
		await loadStream(context, plan, common, {order, head: contents});
	} else if (archive === undefined) throw new PgBackError('BUG', 'a dump in place without a path');
	else await loadFile(context, plan, common, {path: archive, entries: order.early});
	if (order.late.length > 0) {
		const load = {...common, path: contents, entries: order.late, jobs: plan.jobs};
		await withUsage(target, {database: plan.hidden, signal, ...common}, () => loadEntries(context, plan, load));
	}
	if (plan.rewritten.length > 0) await createSubscriptions(context, plan, control);
	tracker.itemsEnded(run.now().getTime());
	meter.finish('load');
	// Too quick for the server to show it.
	meter.start('index');
	meter.finish('index');
	const statistics = prepared.toc.entries.some(isStatistics);
	return {archive, rows, hasStatistics: statistics && target.inventory.version >= 180_000};
}

function trackerFor(
	{options, source, progress}: FillContext,
	plan: DatabasePlan,
	{id, meter}: JobControl,
): LoadTracker {
	const {dump, bytes} = plan.prepared;
	return progress.begin(
		{
			id,
			name: dump.database,
			database: plan.hidden,
			bytes,
			items: restoreItems(plan, source.known.get(dump.path), options.data),
			fetches: plan.road === 'file',
			buildsEarly: plan.road === 'stream' || plan.road === 'members',
		},
		() => {
			meter.finish('load');
			meter.start('index');
		},
	);
}

/** Loads from a file; if that is the dump itself, its checksum is compared at the same time. */
async function loadFile(
	context: FillContext,
	plan: DatabasePlan,
	common: LoadCommon,
	part: {readonly path: string; readonly entries: readonly number[] | undefined},
): Promise<void> {
	const {source} = context;
	const {control} = common;
	const {meter} = control;
	const load = {...common, ...part, jobs: plan.jobs};
	const count = (bytes: number) => meter.count('download', bytes);
	if (plan.road === 'file') {
		await loadEntries(context, plan, load);
		return;
	}
	if (plan.prepared.format === 'tar') {
		await checkInPlace(source, plan.prepared, control.signal, count);
		meter.finish('download');
		await loadEntries(context, plan, load);
		return;
	}
	// Errors of pg_restore are caused by the damaged file.
	await together(control.signal, [
		signal => checkInPlace(source, plan.prepared, signal, count).then(() => meter.finish('download')),
		signal => loadEntries(context, plan, {...load, control: {...control, signal}}),
	]);
}
