/**
 * Determines which stage of a dump the others wait for, from what its server processes wait for, and from which local
 * processes are busy. Pure.
 */
import type {DumpSession} from '../postgres/progress-sample.js';

export type Limit = 'server' | 'compression' | 'encryption' | 'disk' | 'network' | 'CPU';

export type Observation = {
	readonly sessions: readonly DumpSession[];
	/** Cores that pg_dump and its workers used since the last sample; undefined if the system does not report it. */
	readonly dumpCores?: number;
	/** Cores that this process used. */
	readonly ownCores: number;
	/** Fractions of the time (0 to 1) since the last sample in which a process waited for a processor or a disk. */
	readonly pressure?: {readonly cpu: number; readonly io: number};
};

export type LimitOptions = {
	readonly compresses: boolean;
	readonly encrypts: boolean;
	readonly workers: number;
};

const window = 15;
/** Fraction of a core above which the others wait for a process. */
const busy = 0.7;

/** Fraction of the time above which something waits. */
const waits = 0.2;

/** Keeps the last samples, and returns the result of most of them. */
export class LimitWatch {
	readonly #options: LimitOptions;
	#seen: (Limit | undefined)[] = [];
	#counts = new Map<Limit, number>();
	#samples = 0;

	constructor(options: LimitOptions) {
		this.#options = options;
	}

	add(observation: Observation): void {
		const limit = limitOf(observation, this.#options);
		this.#seen = [...this.#seen, limit].slice(-window);
		this.#samples++;
		if (limit !== undefined) this.#counts.set(limit, (this.#counts.get(limit) ?? 0) + 1);
	}

	/** Returns the result of more than half of the last samples; undefined before there are five. */
	get limit(): Limit | undefined {
		return this.#seen.length < 5
			? undefined
			: (['server', 'compression', 'encryption', 'disk', 'network', 'CPU'] as const).find(
					limit => this.#seen.filter(one => one === limit).length > this.#seen.length / 2,
				);
	}

	/** Returns 0 to 1: the fraction of all samples. */
	share(limit: Limit): number {
		return this.#samples === 0 ? 0 : (this.#counts.get(limit) ?? 0) / this.#samples;
	}
}

/** A server process that waits to send (ClientWrite) is not the limit; the limit is a busy process, or a slow disk. */
export function limitOf(
	{sessions, dumpCores, ownCores, pressure}: Observation,
	{compresses, encrypts, workers}: LimitOptions,
): Limit | undefined {
	const active = sessions.filter(session => session.state === 'active' && session.copy !== undefined);
	if (active.length === 0) return undefined;
	const blocked = active.filter(session => session.waitEvent === 'Client:ClientWrite').length;
	if (compresses && dumpCores !== undefined && dumpCores >= busy * Math.min(workers, active.length))
		return 'compression';
	if (blocked * 2 <= active.length) return 'server';
	if (encrypts && ownCores >= busy) return 'encryption';
	// Without a measurement of pg_dump: it compresses, which is slower than today's disks.
	if (compresses && dumpCores === undefined) return 'compression';
	if (dumpCores === undefined || dumpCores >= busy / 2) return undefined;
	if (pressure === undefined) return 'disk';
	// An idle pg_dump waits for a disk, or for a processor.
	if (pressure.io >= waits) return 'disk';
	return pressure.cpu >= waits ? 'CPU' : undefined;
}
