import type {Emit, Outcome, StageName, StageProgress} from '../core/events.js';

/** What a stage needs of a meter. */
export type Meter = Pick<JobMeter, 'start' | 'count' | 'watch' | 'finish'>;

type Counter = {bytesIn: number; bytesOut: number};

/**
 * Counts the bytes of one job, stage by stage, and says when a stage starts and ends. Counting is a plain addition; the engine
 * reads the numbers when it wants to, so the rate of events does not depend on the number of chunks.
 */
export class JobMeter {
	readonly job: string;
	readonly #emit: Emit;
	readonly #running = new Map<StageName, Counter>();
	readonly #sizes = new Map<StageName, () => Promise<number>>();

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

	/** A stage whose bytes we do not see pass (a child writes its own file): `size` says how many there are now. */
	watch(stage: StageName, size: () => Promise<number>): void {
		this.#sizes.set(stage, size);
	}

	finish(stage: StageName, outcome: Outcome = 'done'): void {
		const counter = this.#running.get(stage);
		if (!counter) return;
		this.#running.delete(stage);
		this.#sizes.delete(stage);
		this.#emit({type: 'stage.finished', job: this.job, stage, outcome, ...counter});
	}

	/** The stages that run now with their bytes. */
	async sample(): Promise<{readonly [S in StageName]?: StageProgress}> {
		for (const [stage, size] of this.#sizes) {
			const bytes = await size().catch(() => undefined); // the file was closed meanwhile: the stage has ended
			const counter = this.#running.get(stage);
			if (counter && bytes !== undefined) counter.bytesIn = counter.bytesOut = bytes;
		}
		return Object.fromEntries([...this.#running].map(([stage, counter]) => [stage, {...counter}]));
	}
}
