/** A recorded run (`--log-format json`), played to the same screens and reporters as a run that goes on. */
import {readFile} from 'node:fs/promises';
import {setTimeout as delay} from 'node:timers/promises';
import {createBus} from '../core/bus.js';
import {isSystemError, describeSystemError, PgBackError} from '../core/errors.js';
import type {RunEvent} from '../core/events.js';
import type {EngineHandle} from '../core/handle.js';

export type Recording = {
	readonly events: readonly RunEvent[];
	/** For people: lines that could not be read, such as a last one that was cut. */
	readonly notes: readonly string[];
};

/** Reads JSON lines. A cut last line is left out with a note; another line that is no event is an error. */
export function parseRecording(text: string, path: string): Recording {
	const events: RunEvent[] = [];
	const notes: string[] = [];
	const lines = text.split('\n');
	const last = lines.findLastIndex(line => line.trim() !== '');
	for (const [index, line] of lines.entries()) {
		if (line.trim() === '') continue;
		const event = parseEvent(line);
		if (event !== undefined) events.push(event);
		else if (index === last) notes.push(`${path}:${index + 1}: the last line is cut and was left out`);
		else {
			throw new PgBackError('USAGE', `${path}:${index + 1}: not an event of a recorded run`, {
				hint: 'record a run with --log-format json',
			});
		}
	}
	if (events.length === 0)
		throw new PgBackError('USAGE', `${path}: there is no event in it`, {hint: 'record a run with --log-format json'});
	return {events, notes};
}

function parseEvent(line: string): RunEvent | undefined {
	try {
		const value: unknown = JSON.parse(line);
		if (typeof value !== 'object' || value === null) return undefined;
		const {type, time} = value as {readonly type?: unknown; readonly time?: unknown};
		return typeof type === 'string' && typeof time === 'number' ? (value as RunEvent) : undefined;
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}

/** Rejects with a PgBackError when the file cannot be read or is no recording. */
export async function readRecording(path: string): Promise<Recording> {
	try {
		return parseRecording(await readFile(path, 'utf8'), path);
	} catch (error) {
		if (isSystemError(error)) throw new PgBackError('FILE_SYSTEM', describeSystemError(error), {cause: error});
		throw error;
	}
}

export type Replay = {
	readonly handle: EngineHandle;
	/** Milliseconds since the epoch, in the time of the recording: it stands still after the last event. */
	readonly now: () => number;
	/** Plays to the end. Rejects with the signal's reason when it is aborted. */
	readonly play: (signal: AbortSignal) => Promise<void>;
};

/** `speed` is how many seconds of the recording pass in one; `Infinity` plays all at once. */
export function createReplay({events}: Pick<Recording, 'events'>, speed = 1): Replay {
	let eventTime = events[0]?.time ?? 0;
	let now = () => eventTime;
	const bus = createBus(() => eventTime);

	async function play(signal: AbortSignal): Promise<void> {
		const first = events[0]?.time ?? 0;
		const started = performance.now();
		const elapsed = () => (speed === Infinity ? Infinity : (performance.now() - started) * speed);
		const end = events.at(-1)?.time ?? first;
		now = () => Math.min(end, first + elapsed());
		for (const {time, ...event} of events) {
			signal.throwIfAborted();
			const wait = (time - first - elapsed()) / speed;
			if (wait > 0) await delay(wait, undefined, {signal});
			eventTime = time;
			bus.emit(event);
		}
	}

	return {handle: readOnlyHandle(bus), now: () => now(), play};
}

/** What a recorded run can do: be looked at. */
function readOnlyHandle({state, subscribe}: Pick<EngineHandle, 'state' | 'subscribe'>): EngineHandle {
	const refuse = async (): Promise<never> => {
		throw new PgBackError('USAGE', 'this is a recorded run: it can be looked at only');
	};
	const nothing = async function* (): AsyncGenerator<never> {
		await refuse();
	};
	return {
		state,
		subscribe,
		cancel: () => undefined,
		retry: () => undefined,
		locations: () => [],
		list: nothing,
		runs: nothing,
		inspect: refuse,
		missingSecret: () => Promise.resolve(undefined),
		checkSecrets: refuse,
		defaultTarget: () => '.',
		conflicts: refuse,
		fetch: refuse,
		decrypt: refuse,
		verify: refuse,
		restoreDrill: refuse,
		remove: refuse,
		preview: refuse,
		backup: refuse,
		idle: async () => undefined,
	};
}
