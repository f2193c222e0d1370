/** The part of the engine's handle for the fleet, and for the locations of all its servers. */
import {hostname} from 'node:os';
import type {Configuration} from '../config/configuration.js';
import {PgBackError} from '../core/errors.js';
import type {FleetHandle} from '../core/fleet-handle.js';
import type {Location} from '../core/location.js';
import {display} from '../lib/display.js';
import {locationsOf} from '../repository/locations.js';
import type {RunContext} from '../runs/context.js';
import {type StoreName, storeNamed} from '../storage/definitions.js';
import {directed, type LocationHandle} from './location-handle.js';
import {readingOnly} from './reading-only.js';
import {fleetRoot} from './status.js';

export type Fleet = {
	/** Where the servers report. */
	readonly store: StoreName;
	/** Only these servers are shown; all without any. */
	readonly patterns: readonly string[];
	/**
	 * Returns the configuration of a server of servers.d; undefined if there is none. Rejects with CONFIG if it is
	 * unusable.
	 */
	readonly configurationOf: (server: string) => Promise<Configuration | undefined>;
};

/** A server, and the configuration for its location. */
export type FleetServerPlace = {readonly name: string; readonly configuration: Configuration};

export type FleetHandleParts = {
	readonly configuration: Configuration;
	readonly fleet: Fleet | undefined;
	/** Creates a separate run context for reading. */
	readonly runFor: (signal: AbortSignal) => RunContext;
	readonly open: (server: FleetServerPlace) => LocationHandle;
};

/** `own` works on the locations of the configured server. */
export function createFleetHandle(
	own: LocationHandle,
	{configuration, fleet, runFor, open}: FleetHandleParts,
): LocationHandle & FleetHandle {
	const {settings} = configuration;
	const opened = new Map<string, LocationHandle>();
	const handles = new Set([own]);
	const find = (location: string) => {
		const [store = '', server] = splitAt(location);
		const handle = server === undefined ? undefined : opened.get(location);
		return handle === undefined ? {handle: own, location} : {handle, location: store};
	};
	const ownName = settings.serverName === '' ? hostname() : settings.serverName;

	/** With the reported keys nothing is done that needs trust. */
	async function openServer(server: string, store: StoreName, signal: AbortSignal) {
		const configured = await fleet?.configurationOf(server);
		if (configured) return {configuration: configured, handle: open({name: server, configuration: configured})};
		const {reportedConfiguration} = await import('./reported-place.js');
		const reported = await reportedConfiguration(runFor(signal), store, server);
		const handle = readingOnly(open({name: server, configuration: reported}), server);
		return {configuration: reported, handle};
	}

	return {
		...directed(own, find),
		again(job, secrets) {
			for (const handle of handles) {
				const work = handle.again(job, secrets);
				if (work) return work;
			}
			return undefined;
		},
		fleetPlace: () => fleet && `${storeNamed(fleet.store).location(settings)}${fleetRoot(settings.fleetPrefix)}`,
		async fleet({signal, onTrouble, onProgress}) {
			if (fleet === undefined) throw new PgBackError('USAGE', 'no fleet is configured: set fleet_prefix');
			const {viewFleet} = await import('./view-fleet.js');
			const run = runFor(signal);
			const emit: RunContext['emit'] = event => {
				if (event.type === 'log' && event.level === 'warn') onTrouble?.(event.text);
				run.emit(event);
			};
			return viewFleet({...run, emit}, {...fleet, ...(onProgress && {onProgress})});
		},
		async placeOf(server, {signal}): Promise<Location> {
			if (fleet === undefined) throw new PgBackError('USAGE', 'no fleet is configured: set fleet_prefix');
			const {store} = fleet;
			if (server === ownName) return locationIn(settings, store);
			const {configuration: theirs, handle} = await openServer(server, store, signal);
			const location = {...locationIn(theirs.settings, store), id: `${store}@${server}`};
			opened.set(location.id, handle);
			handles.add(handle);
			return location;
		},
	};
}

function splitAt(location: string): readonly string[] {
	const at = location.indexOf('@');
	return at === -1 ? [location] : [location.slice(0, at), location.slice(at + 1)];
}

function locationIn(settings: Configuration['settings'], store: StoreName): Location {
	const location = locationsOf(settings).find(({id}) => id === store);
	if (location) return location;
	throw new PgBackError('CONFIG', `${display(settings.serverName)} has no location in ${store}`);
}
