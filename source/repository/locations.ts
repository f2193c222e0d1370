/**
 * The locations of dumps: the backup directory and the remotes. A location has one id everywhere: `backup`, or the
 * store's name.
 */
import type {Settings} from '../config/options.js';
import type {Location} from '../core/location.js';
import {anyStores, type StoreName, storeNames} from '../storage/definitions.js';
import {listPrefix} from './remote-keys.js';

export const backupLocation = 'backup';
export type LocationId = typeof backupLocation | StoreName;

/** Returns the backup directory and every configured remote, whether or not dumps are uploaded to it. */
export function locationsOf(settings: Settings): readonly Location[] {
	const prefix = listPrefix(settings.uploadPrefix);
	return [
		{id: backupLocation, label: settings.backupDirectory, remote: false},
		...anyStores
			.filter(store => store.isConfigured(settings))
			.map(store => ({id: store.name, label: `${store.location(settings)}${prefix}`, remote: true})),
	];
}

/** Returns the store of a location; undefined for the backup directory. Throws TypeError for an invalid id. */
export function storeOf(location: string): StoreName | undefined {
	if (location === backupLocation) return undefined;
	const store = storeNames.find(name => name === location);
	if (store === undefined) throw new TypeError(`no location ${location}`);
	return store;
}
