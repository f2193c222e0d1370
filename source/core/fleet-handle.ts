/** What a console asks the engine about the fleet. */
import type {ServerView} from './fleet.js';
import type {Location} from './location.js';

export type FleetProgress = {
	/** Reports that were read. */
	readonly read: number;
	/** Reports that were found. */
	readonly found: number;
};

export type FleetHandle = {
	/** Returns where the servers report, for people; undefined without `fleet_prefix`. */
	readonly fleetPlace: () => string | undefined;
	/**
	 * Reads the reports of all servers, by name. `onTrouble` gets the reason of each failed attempt that is retried;
	 * `onProgress` is called for each report.
	 */
	readonly fleet: (options: {
		readonly signal: AbortSignal;
		readonly onTrouble?: (reason: string) => void;
		readonly onProgress?: (progress: FleetProgress) => void;
	}) => Promise<readonly ServerView[]>;
	/**
	 * Returns the location of a server's dumps in the store of the fleet, which all calls then accept: from its file in
	 * servers.d, or else from the keys that it has reported. Rejects with NOTHING_TO_DO when neither is known.
	 */
	readonly placeOf: (server: string, options: {readonly signal: AbortSignal}) => Promise<Location>;
};
