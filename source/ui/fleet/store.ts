/** The reports of all servers as they were last read. They are read on request only, because a thousand servers take a thousand requests. */
import {messageOf} from '../../core/errors.js';
import type {ServerView} from '../../core/fleet.js';
import type {FleetProgress} from '../../core/fleet-handle.js';
import type {EngineHandle} from '../../core/handle.js';

/** `stopped`: the user has stopped the attempt. What was read before is kept in every state. */
export type FleetState = 'idle' | 'reading' | 'done' | 'failed' | 'stopped';

export type FleetStore = {
	/** Where the servers report, for people; undefined if no fleet is configured. */
	readonly place: () => string | undefined;
	readonly state: () => FleetState;
	/** Undefined until they have been read once. */
	readonly servers: () => readonly ServerView[] | undefined;
	/** Why the attempt failed, or is being retried. */
	readonly problem: () => string | undefined;
	/** Undefined until the reports are found. */
	readonly progress: () => FleetProgress | undefined;
	/** Returns the milliseconds since the servers were read, and since the attempt began. */
	readonly age: () => number;
	readonly elapsed: () => number;
	/** Reads again, unless an attempt is active. */
	readonly read: () => void;
	/** Stops the active attempt. */
	readonly stop: () => void;
	readonly close: () => void;
};

type Reading = {readonly stop: AbortController; readonly since: number; progress?: FleetProgress};

export function createFleetStore(
	handle: Pick<EngineHandle, 'fleet' | 'fleetPlace'>,
	onChange: () => void,
	monotonic: () => number = () => performance.now(),
): FleetStore {
	let state: FleetState = 'idle';
	let servers: readonly ServerView[] | undefined;
	let problem: string | undefined;
	let readAt = monotonic();
	let current: Reading | undefined;

	async function read(reading: Reading): Promise<void> {
		const {signal} = reading.stop;
		try {
			const found = await handle.fleet({
				signal,
				onTrouble(reason) {
					if (signal.aborted) return;
					problem = reason;
					onChange();
				},
				onProgress(progress) {
					reading.progress = progress;
					problem = undefined;
					onChange();
				},
			});
			if (signal.aborted) return;
			servers = found;
			readAt = monotonic();
			problem = undefined;
			state = 'done';
		} catch (error) {
			if (signal.aborted) return;
			problem = messageOf(error);
			state = 'failed';
		}
		onChange();
	}

	return {
		place: handle.fleetPlace,
		state: () => state,
		servers: () => servers,
		problem: () => problem,
		progress: () => (state === 'reading' ? current?.progress : undefined),
		age: () => monotonic() - readAt,
		elapsed: () => monotonic() - (current?.since ?? monotonic()),
		read() {
			if (state === 'reading') return;
			state = 'reading';
			problem = undefined;
			current = {stop: new AbortController(), since: monotonic()};
			void read(current);
			onChange();
		},
		stop() {
			if (state !== 'reading') return;
			state = 'stopped';
			problem = undefined;
			current?.stop.abort();
			onChange();
		},
		close: () => current?.stop.abort(),
	};
}
