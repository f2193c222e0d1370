/** Shows and controls the run of another process instead of our own, until it is detached. */
import type {Listener} from '../core/bus.js';
import type {AttachedRun, EngineHandle, RunElsewhere} from '../core/handle.js';

export type Attached = RunElsewhere & {
	/** The connection has ended: the run has ended, or its process is gone. */
	readonly isOver: boolean;
};

export type Attachment = {
	/** The engine's handle, with state, events, cancel and retry of the attached run while there is one. */
	readonly handle: EngineHandle;
	readonly attached: () => Attached | undefined;
	/** Rejects when the run does not answer. */
	readonly attach: (run: RunElsewhere) => Promise<void>;
	/** Detaches; the run is not changed. */
	readonly detach: () => void;
	/** Detaches for good: nothing is attached any more, and our own handle has no listener left. */
	readonly close: () => void;
};

/**
 * Creates the attachment. `onChange` is called when another state is shown, and when the attached run has ended. The
 * caller closes it.
 */
export function createAttachment(own: EngineHandle, onChange: () => void): Attachment {
	const listeners = new Set<Listener>();
	let current: {readonly run: AttachedRun; about: Attached; readonly unsubscribe: () => void} | undefined;
	const toAll: Listener = (event, state) => {
		for (const listener of listeners) listener(event, state);
	};
	let isClosed = false;
	const unsubscribe = own.subscribe((event, state) => {
		if (current === undefined) toAll(event, state);
	});
	const detach = () => {
		if (current === undefined) return;
		current.unsubscribe();
		current.run.close();
		current = undefined;
		onChange();
	};
	// The screens show work that is started here from then on.
	const starting =
		<A extends readonly unknown[], T>(start: (...args: A) => T) =>
		(...args: A): T => {
			detach();
			return start(...args);
		};
	const handle: EngineHandle = {
		...own,
		state: () => (current?.run ?? own).state(),
		subscribe(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		cancel: job => (current?.run ?? own).cancel(job),
		retry(job, secrets) {
			if (current) current.run.retry(job);
			else own.retry(job, secrets);
		},
		fetch: starting(own.fetch),
		decrypt: starting(own.decrypt),
		verify: starting(own.verify),
		restoreDrill: starting(own.restoreDrill),
		backup: starting(own.backup),
		restore: starting(own.restore),
	};
	return {
		handle,
		attached: () => current?.about,
		detach,
		close() {
			isClosed = true;
			detach();
			unsubscribe();
		},
		async attach(about) {
			const run = await own.attach(about.id);
			if (isClosed) return run.close();
			detach();
			const mine = {run, about: {...about, isOver: false}, unsubscribe: run.subscribe(toAll)};
			current = mine;
			onChange();
			void run.ended.then(() => {
				mine.about = {...mine.about, isOver: true};
				if (current === mine) onChange();
			});
		},
	};
}
