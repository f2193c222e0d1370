/** Replays a recorded run (`--log-format json`) to the same screens and reporters as a live run. */
import {createReadStream} from 'node:fs';
import {setTimeout as delay} from 'node:timers/promises';
import {createBus, type EventBus} from '../core/bus.js';
import {decodeEvent} from '../core/decode-event.js';
import {describeSystemError, isSystemError, messageOf, PgBackError} from '../core/errors.js';
import type {RunEvent} from '../core/events.js';
import type {EngineHandle} from '../core/handle.js';
import {LineReader} from '../runs/line-reader.js';

export type Recording = {
	readonly events: Iterable<RunEvent> | AsyncIterable<RunEvent>;
	/** For people: lines that could not be read, such as a last one that was cut. Complete once the events have been read. */
	readonly notes: readonly string[];
};

/** Bytes of one line: the longest events list the tables of a database. */
const longestLine = 64 << 20;
const hint = 'record a run with --log-format json';

/** Reads JSON lines one by one. A truncated last line is skipped with a note; another line that is no event is an error. */
class RecordingReader {
	readonly notes: string[] = [];
	readonly #path: string;
	#line = 0;
	#events = 0;
	/** The line that is truncated, unless another one follows. */
	#truncated: number | undefined;

	constructor(path: string) {
		this.#path = path;
	}

	/** Undefined for an empty line, a truncated one, and an event of a newer version. Throws USAGE. */
	read(line: string): RunEvent | undefined {
		this.#line++;
		if (line.trim() === '') return undefined;
		if (this.#truncated !== undefined) throw this.#notAnEvent(this.#truncated, 'invalid JSON');
		let value: unknown;
		try {
			value = JSON.parse(line);
		} catch {
			this.#truncated = this.#line;
			return undefined;
		}
		try {
			const event = decodeEvent(value);
			this.#events++;
			return event;
		} catch (error) {
			throw this.#notAnEvent(this.#line, messageOf(error));
		}
	}

	/** Throws USAGE where there was no event. */
	end(): void {
		const isEmpty = this.#events === 0;
		if (isEmpty && this.#truncated !== undefined) throw this.#notAnEvent(this.#truncated, 'invalid JSON');
		if (isEmpty) throw new PgBackError('USAGE', `${this.#path} contains no events`, {hint});
		if (this.#truncated !== undefined)
			this.notes.push(`${this.#path}:${this.#truncated}: the last line is truncated and was skipped`);
	}

	#notAnEvent(line: number, why: string): PgBackError {
		return new PgBackError('USAGE', `${this.#path}:${line}: not an event of a recorded run: ${why}`, {hint});
	}
}

/** Throws USAGE for what is no recording. */
export function parseRecording(text: string, path: string): Recording & {readonly events: readonly RunEvent[]} {
	const reader = new RecordingReader(path);
	const events = text.split('\n').flatMap(line => reader.read(line) ?? []);
	reader.end();
	return {events, notes: reader.notes};
}

/**
 * Reads the first event, and the others as they are asked for: a recording may be larger than the memory. Both throw USAGE for what is no
 * recording, and FILE_SYSTEM.
 */
export async function readRecording(path: string): Promise<Recording> {
	const reader = new RecordingReader(path);
	const events = eventsOf(path, reader);
	const first = await events.next();
	return {events: first.done ? [] : withFirst(first.value, events), notes: reader.notes};
}

async function* withFirst(first: RunEvent, others: AsyncIterable<RunEvent>): AsyncGenerator<RunEvent> {
	yield first;
	yield* others;
}

async function* eventsOf(path: string, reader: RecordingReader): AsyncGenerator<RunEvent> {
	const lines = new LineReader(longestLine);
	try {
		for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>)
			for (const line of lines.push(chunk)) yield* one(reader.read(line));
		for (const line of lines.push(Buffer.from('\n'))) yield* one(reader.read(line));
	} catch (error) {
		if (error instanceof RangeError) throw new PgBackError('USAGE', `${path}: ${error.message}`, {cause: error, hint});
		if (isSystemError(error)) throw new PgBackError('FILE_SYSTEM', describeSystemError(error), {cause: error});
		throw error;
	}
	reader.end();
}

function one(event: RunEvent | undefined): readonly RunEvent[] {
	return event === undefined ? [] : [event];
}

export type Replay = {
	readonly handle: EngineHandle;
	/** Returns milliseconds since the epoch in the time of the recording, which stops after the last event. */
	readonly now: () => number;
	/** Plays to the end. Rejects with what reading throws, or the signal's reason. */
	readonly play: (signal: AbortSignal) => Promise<void>;
	/** Ends what the recording of a run leaves open; nothing of it goes on any more. True where there was such a thing. */
	readonly endOpenRun: () => boolean;
};

/** Milliseconds: the longest that a timer takes. */
const longestWait = 2 ** 31 - 1;

/** `speed` is how many seconds of the recording pass in one; `Infinity` plays all at once. */
export function createReplay({events}: Pick<Recording, 'events'>, speed = 1): Replay {
	let eventTime = 0;
	let now = () => eventTime;
	const bus = createBus(() => eventTime);

	async function play(signal: AbortSignal): Promise<void> {
		let first: number | undefined;
		const started = performance.now();
		const elapsed = () => (speed === Infinity ? Infinity : (performance.now() - started) * speed);
		for await (const {time, ...event} of events) {
			signal.throwIfAborted();
			const begin = (first ??= time);
			now = () => Math.max(eventTime, Math.min(time, begin + elapsed()));
			const wait = (time - begin - elapsed()) / speed;
			if (wait > 0) await delay(Math.min(wait, longestWait), undefined, {signal});
			eventTime = time;
			bus.emit(event);
		}
		now = () => eventTime;
	}

	return {handle: readOnlyHandle(bus), now: () => now(), play, endOpenRun: () => endOpenRun(bus)};
}

function endOpenRun(bus: EventBus): boolean {
	const {finished, startedAt, jobs} = bus.state();
	const open = [...jobs.values()].filter(({status}) => status === 'running' || status === 'waiting');
	if (startedAt === 0 || (finished !== undefined && open.length === 0)) return false;
	const error = {code: 'CANCELLED', message: 'the recording ends before the run did'} as const;
	for (const {id: job} of open) bus.emit({type: 'job.finished', job, outcome: 'cancelled', error});
	bus.emit({type: 'run.finished', exitCode: 1, outcome: 'cancelled', error});
	return true;
}

/** Returns a handle that only reads: a recorded run cannot be changed. */
function readOnlyHandle({state, subscribe}: Pick<EngineHandle, 'state' | 'subscribe'>): EngineHandle {
	const refuse = async (): Promise<never> => {
		throw new PgBackError('USAGE', 'this is a recorded run: it is read-only');
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
		ages: refuse,
		lastGoodOf: refuse,
		dumpsToRestore: refuse,
		defaultServer: () => ({host: '', port: 0, user: ''}),
		keptDrafts: () => Promise.resolve([]),
		keepDrafts: refuse,
		forgetDraft: refuse,
		inspectTarget: refuse,
		contentsOf: refuse,
		swapBack: refuse,
		dropKept: refuse,
		runsOf: refuse,
		compareRuns: refuse,
		findTable: nothing,
		pin: refuse,
		unpin: refuse,
		fleetPlace: () => undefined,
		fleet: refuse,
		placeOf: refuse,
		restoreCommand: () => '',
		missingSecret: () => Promise.resolve(undefined),
		checkSecrets: refuse,
		completePath: text => Promise.resolve({text, candidates: []}),
		commandFor: () => '',
		freeSpace: () => Promise.resolve(undefined),
		defaultTarget: () => '.',
		conflicts: refuse,
		fetch: refuse,
		decrypt: refuse,
		verify: refuse,
		restoreDrill: refuse,
		planRestore: refuse,
		restore: refuse,
		answer: () => undefined,
		remove: refuse,
		preview: refuse,
		backup: refuse,
		runsElsewhere: () => Promise.resolve([]),
		attach: refuse,
		idle: async () => undefined,
	};
}
