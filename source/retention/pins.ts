/** Applies pins to a purge. A pin is a file next to a manifest, `pg_back_<time>.pinned.json`; no I/O here. */
import {groupItems, type Pinned, type PurgeGroup, type ReadPin, type RunRecord} from './purge-plan.js';

export async function readPins(
	paths: readonly string[],
	read: ReadPin | undefined,
): Promise<ReadonlyMap<string, Pinned>> {
	const pins = new Map<string, Pinned>();
	for (const path of read ? paths : []) {
		const pin = await read?.(path);
		if (pin) pins.set(path, pin);
	}
	return pins;
}

/** Sets the reason of each group that a pin keeps. `groupWith` returns the group of a listed path. */
export function applyPins(
	groupWith: (path: string) => (PurgeGroup & {pinned?: string | undefined}) | undefined,
	pins: ReadonlyMap<string, Pinned>,
	records: ReadonlyMap<string, RunRecord>,
): void {
	const reasons = new Map<string, string>();
	for (const [path, {reason, paths}] of pins) {
		const recorded = records.get(path.replace(/pinned\.json$/, 'manifest.json'))?.files ?? [];
		for (const one of [path, ...paths, ...recorded.map(file => file.path)]) reasons.set(one, reason);
	}
	for (const pinned of reasons.keys()) {
		const group = groupWith(pinned);
		for (const {path} of group ? groupItems({group, action: 'keep', reason: ''}) : []) {
			const reason = reasons.get(path);
			if (group && reason !== undefined) group.pinned = reason;
		}
	}
}
