/** Removes what the processes of old runs left below `plans/`: their plan, and their claims and marks. */
import {messageOf} from '../../core/errors.js';
import {plural} from '../../lib/format.js';
import {openRemote, type Store} from '../../repository/remote.js';
import {readSmallObject} from '../../repository/small-object.js';
import type {StoreContext} from '../../runs/context.js';
import {largestPlan, parseSharedPlan, planKey, plansPrefix, runDirectory} from './run-plan.js';

/** Milliseconds after its deadline in which a failed run can still be inspected. */
const graceTime = 7 * 86_400_000;

/** No manifest needs them. What cannot be read or removed causes a warning and is kept. */
export async function purgePlans(run: StoreContext, store: Store): Promise<void> {
	const {fleetPrefix} = run.configuration.settings;
	const remote = await openRemote(run, store);
	const {storage, location} = remote;
	const {signal} = run;
	try {
		const prefix = plansPrefix(fleetPrefix);
		const names: string[] = [];
		for await (const {key} of storage.list(prefix, {signal})) {
			const name = /^([^/]+)\.json$/.exec(key.slice(prefix.length))?.[1];
			if (name !== undefined) names.push(name);
		}
		let runs = 0;
		for (const name of names) {
			const key = planKey(fleetPrefix, name);
			const content = await readSmallObject(storage, key, signal, largestPlan);
			const parsed = content === undefined ? undefined : parseSharedPlan(content, name);
			if (parsed === undefined || !('plan' in parsed)) continue;
			if (run.now().getTime() < Date.parse(parsed.plan.deadline) + graceTime) continue;
			const keys: string[] = [];
			for await (const one of storage.list(runDirectory(fleetPrefix, name), {signal})) keys.push(one.key);
			// The plan is removed last: after an interrupted removal, the run is still known to be old.
			const results = [...(await storage.remove(keys, {signal})), ...(await storage.remove([key], {signal}))];
			const failed = results.find(({error}) => error !== undefined)?.error;
			if (failed) throw failed;
			runs++;
		}
		if (runs > 0) {
			const text = `removed the plans of ${plural(runs, 'old run')} from ${storage.location}${prefix}`;
			run.emit({type: 'log', level: 'info', text});
		}
	} catch (error) {
		signal.throwIfAborted();
		const text = `could not remove the plans of old runs from ${location}: ${messageOf(error)}`;
		run.emit({type: 'log', level: 'warn', text});
	} finally {
		await remote.close();
	}
}
