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

/** Sets the reason of each group that a pin keeps; clears it in all others. */
export function applyPins(
	groups: Iterable<PurgeGroup & {pinned?: string | undefined}>,
	pins: ReadonlyMap<string, Pinned>,
	records: ReadonlyMap<string, RunRecord>,
): void {
	if (pins.size === 0) return;
	const reasons = new Map<string, string>();
	for (const [path, {reason, paths}] of pins) {
		const recorded = records.get(path.replace(/pinned\.json$/, 'manifest.json'))?.files ?? [];
		for (const one of [path, ...paths, ...recorded.map(file => file.path)]) reasons.set(one, reason);
	}
	for (const group of groups) {
		for (const {path} of groupItems({group, action: 'keep', reason: ''})) {
			const reason = reasons.get(path);
			if (reason !== undefined) group.pinned = reason;
		}
	}
}
