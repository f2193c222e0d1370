import type {Emit, Outcome, StageName, StageProgress} from '../core/events.js';

/** The part of a meter that a stage needs. */
export type Meter = Pick<JobMeter, 'start' | 'count' | 'countSlots' | 'watch' | 'finish'>;

type Counter = {bytesIn: number; bytesOut: number; present?: number};

/**
 * Counts the bytes of one job, stage by stage, and reports when a stage starts and ends. Counting is a plain addition
 * that the engine samples, so the rate of events does not depend on the number of chunks.
 */
export class JobMeter {
	readonly job: string;
	readonly #emit: Emit;
	readonly #running = new Map<StageName, Counter>();
	readonly #sizes = new Map<StageName, () => Promise<number>>();
	/** The number of uploads of this job that hold a slot; undefined if they need none. */
	#slots: number | undefined;

	constructor(job: string, emit: Emit) {
		this.job = job;
		this.#emit = emit;
	}

	start(stage: StageName): void {
		if (this.#running.has(stage)) return;
		this.#running.set(stage, {bytesIn: 0, bytesOut: 0});
		this.#emit({type: 'stage.started', job: this.job, stage});
	}

	count(stage: StageName, bytesIn: number, bytesOut: number = bytesIn): void {
		const counter = this.#running.get(stage);
		if (!counter) return;
		counter.bytesIn += bytesIn;
		counter.bytesOut += bytesOut;
	}

	/** Counts bytes that an earlier attempt has already processed: part of the progress, not of the rate. */
	countPresent(stage: StageName, bytes: number): void {
		const counter = this.#running.get(stage);
		if (!counter) return;
		this.count(stage, bytes);
		counter.present = (counter.present ?? 0) + bytes;
	}

	/** Counts the bytes of a running stage from 0 again. */
	restart(stage: StageName): void {
		if (this.#running.has(stage)) this.#running.set(stage, {bytesIn: 0, bytesOut: 0});
	}

	/** Changes the number of slots: uploads of this job wait (0), got one (1), or released one (-1). */
	countSlots(change: number): void {
		this.#slots = (this.#slots ?? 0) + change;
	}

	/** Returns the state of the upload stage while it runs. */
	get upload(): 'waiting' | 'sending' | undefined {
		if (this.#slots === undefined || !this.#running.has('upload')) return undefined;
		return this.#slots > 0 ? 'sending' : 'waiting';
	}

	/**
	 * Watches a stage with bytes that do not pass through us (a child writes its own file): `size` returns their current
	 * number.
	 */
	watch(stage: StageName, size: () => Promise<number>): void {
		this.#sizes.set(stage, size);
	}

	finish(stage: StageName, outcome: Outcome = 'done'): void {
		const counter = this.#running.get(stage);
		if (!counter) return;
		this.#running.delete(stage);
		this.#sizes.delete(stage);
		const {bytesIn, bytesOut} = counter;
		this.#emit({type: 'stage.finished', job: this.job, stage, outcome, bytesIn, bytesOut});
	}

	/** Returns the running stages with their bytes. */
	async sample(): Promise<{readonly [S in StageName]?: StageProgress}> {
		for (const [stage, size] of this.#sizes) {
			const bytes = await size().catch(() => undefined); // the file was closed in the meantime: the stage has ended
			const counter = this.#running.get(stage);
			if (counter && bytes !== undefined) counter.bytesIn = counter.bytesOut = bytes;
		}
		return Object.fromEntries([...this.#running].map(([stage, counter]) => [stage, {...counter}]));
	}
}
