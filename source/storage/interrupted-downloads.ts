/** Continues the checksum of a download over its interruptions, and detects when the object was replaced in between. */

/** Maximum number of remembered downloads; the oldest is dropped first. */
const most = 256;

type Interrupted<Checksum> = {readonly version: string | undefined; readonly at: number; readonly checksum: Checksum};

export type InterruptedDownloads<Checksum> = {
	/**
	 * Returns the checksum to continue at `offset`: a new one at 0, that of the interrupted download, or `unknown`.
	 * `replaced`: the object, now of `version`, is not the one that was read before, as known here or from the caller.
	 */
	readonly resume: (
		key: string,
		version: string | undefined,
		at: {readonly offset: number; readonly version?: string | undefined},
	) => Checksum | 'unknown' | 'replaced';
	/** Remembers a download that ended before its last byte. */
	readonly keep: (key: string, interrupted: Interrupted<Checksum>) => void;
};

/** Creates the memory of interrupted downloads of one store. */
export function createInterruptedDownloads<Checksum extends object>(
	createChecksum: () => Checksum,
): InterruptedDownloads<Checksum> {
	const known = new Map<string, Interrupted<Checksum>>();
	return {
		resume(key, version, {offset, version: expected}) {
			if (offset === 0) return createChecksum();
			if (expected !== undefined && expected !== version) return 'replaced';
			const id = `${offset} ${key}`;
			const found = known.get(id);
			known.delete(id);
			if (!found) return 'unknown';
			return found.version === version ? found.checksum : 'replaced';
		},
		keep(key, interrupted) {
			const id = `${interrupted.at} ${key}`;
			known.delete(id);
			known.set(id, interrupted);
			for (const oldest of known.keys()) {
				if (known.size <= most) break;
				known.delete(oldest);
			}
		},
	};
}
