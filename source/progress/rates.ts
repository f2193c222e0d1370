/**
 * The cost per byte in this run: of rows, and of values in TOAST, which are compressed already, or written as two
 * digits per byte, and take up to twenty times as long. Fitted to the tables that were read so far. Pure.
 */

/** In bytes; `bytes` includes TOAST, as in a table's facts. */
export type Stored = {readonly bytes: number; readonly toastBytes: number};

type Observation = Stored & {
	/** Seconds of one worker. */
	readonly seconds: number;
};

/** Seconds per byte. */
type Rates = {readonly rows: number; readonly toast: number};

const MiB = 1024 * 1024;
/** The ratio of TOAST to rows if only one of them was read, and how many observations that estimate is worth. */
const toastFactor = 3;
const trust = 0.02;

export class TableRates {
	readonly #seen = new Map<string, Observation>();
	#fitted: Rates | undefined;

	/** Sets what was read of one table, or of several together; replaces the earlier observation of `key`. */
	set(key: string, observation: Observation): void {
		this.#seen.set(key, observation);
		this.#fitted = undefined;
	}

	/** Returns seconds of one worker; undefined before anything was read. */
	seconds({bytes, toastBytes}: Stored): number | undefined {
		this.#fitted ??= fit([...this.#seen.values()]);
		const {rows, toast} = this.#fitted ?? {};
		return rows === undefined || toast === undefined ? undefined : (bytes - toastBytes) * rows + toastBytes * toast;
	}
}

/**
 * Fits seconds per byte by least squares, with the estimate for TOAST as one more equation. Each observation is
 * weighted by its seconds up to one, and not by its bytes: the big tables are the ones with narrow rows, which are fast
 * and not typical.
 */
function fit(observations: readonly Observation[]): Rates | undefined {
	const used = observations.filter(({bytes, seconds}) => bytes >= MiB && seconds > 0);
	if (used.length === 0) return undefined;
	let [xx, xy, yy, xr, yr] = [trust, -trust / toastFactor, trust / toastFactor ** 2, 0, 0];
	for (const {bytes, toastBytes, seconds} of used) {
		const weight = Math.min(1, seconds);
		const y = Math.min(1, toastBytes / bytes);
		const x = 1 - y;
		const rate = seconds / bytes;
		xx += weight * x * x;
		xy += weight * x * y;
		yy += weight * y * y;
		xr += weight * x * rate;
		yr += weight * y * rate;
	}
	const determinant = xx * yy - xy * xy;
	const slowest = Math.max(...used.map(({bytes, seconds}) => seconds / bytes));
	const fastest = Math.min(...used.map(({bytes, seconds}) => seconds / bytes));
	// A mixture cannot separate them with certainty: neither is faster than what was observed, nor slower than that by
	// more than the estimated ratio.
	const within = (rate: number) => Math.min(slowest * toastFactor, Math.max(fastest, rate));
	return {rows: within((xr * yy - yr * xy) / determinant), toast: within((yr * xx - xr * xy) / determinant)};
}
