/** Which stage of a dump the others wait for: from what its server processes wait for, and from who is busy here. Pure. */
import type {DumpSession} from '../../postgres/progress-sample.js';

export type Limit = 'server' | 'compression' | 'encryption' | 'disk' | 'network';

export type Observation = {
	readonly sessions: readonly DumpSession[];
	/** Cores that pg_dump with its workers kept busy since the last sample; undefined where the system does not say. */
	readonly dumpCores?: number;
	/** Cores that we kept busy. */
	readonly ownCores: number;
};

export type LimitOptions = {
	readonly compresses: boolean;
	readonly encrypts: boolean;
	readonly workers: number;
};

const window = 15;
/** Of a core: that busy, a process is what the others wait for. */
const busy = 0.7;

/** Keeps the last samples, and says what most of them say. */
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

	/** What more than half of the last samples say; undefined before there are five. */
	get limit(): Limit | undefined {
		return this.#seen.length < 5
			? undefined
			: (['server', 'compression', 'encryption', 'disk', 'network'] as const).find(
					limit => this.#seen.filter(one => one === limit).length > this.#seen.length / 2,
				);
	}

	/** 0 to 1: of all samples. */
	share(limit: Limit): number {
		return this.#samples === 0 ? 0 : (this.#counts.get(limit) ?? 0) / this.#samples;
	}
}

/** A server process that waits to send (ClientWrite) is not what limits; who then is, is busy, or writes to a slow disk. */
export function limitOf(
	{sessions, dumpCores, ownCores}: Observation,
	{compresses, encrypts, workers}: LimitOptions,
): Limit | undefined {
	const active = sessions.filter(session => session.state === 'active' && session.copy !== undefined);
	if (active.length === 0) return undefined;
	const blocked = active.filter(session => session.waitEvent === 'Client:ClientWrite').length;
	if (compresses && dumpCores !== undefined && dumpCores >= busy * Math.min(workers, active.length))
		return 'compression';
	if (blocked * 2 <= active.length) return 'server';
	if (encrypts && ownCores >= busy) return 'encryption';
	// Where nobody says how busy pg_dump is: it compresses, and that is slower than the disks of today.
	if (compresses && dumpCores === undefined) return 'compression';
	return dumpCores !== undefined && dumpCores < busy / 2 ? 'disk' : undefined;
}
