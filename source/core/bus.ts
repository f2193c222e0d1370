import type {Emit, RunEvent} from './events.js';
import type {RunState} from './run-state.js';
import {emptyState, reduce} from './state.js';

export type Listener = (event: RunEvent, state: RunState) => void;

/**
 * Turns events into state; the only place that does. A late subscriber reads `state()` first; events are not replayed.
 */
export type EventBus = {
	readonly emit: Emit;
	readonly state: () => RunState;
	/** Returns the function that ends the subscription. Listeners must not throw. */
	readonly subscribe: (listener: Listener) => () => void;
};

/** Creates a bus. `now` returns milliseconds since the epoch. */
export function createBus(now: () => number = Date.now): EventBus {
	let state = emptyState;
	const listeners = new Set<Listener>();
	return {
		emit(event) {
			const stamped: RunEvent = {...event, time: now()};
			state = reduce(state, stamped);
			for (const listener of listeners) listener(stamped, state);
		},
		state: () => state,
		subscribe(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
	};
}
