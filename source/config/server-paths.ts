/** The paths of one of several servers: replaces `{server}`, and checks that no two servers share a place. */
import {extname, posix, resolve} from 'node:path';
import {anyStores} from '../storage/definitions.js';
import type {Merged} from './merge.js';
import type {Settings} from './options.js';

export type ServerNaming = {
	readonly name: string;
	/** With --server: the name is appended to paths without `{server}`. */
	readonly append: boolean;
};

const placeholder = '{server}';

/** Returns the settings with the server's name in its paths. */
export function withServer(merged: Merged, {name, append}: ServerNaming): Merged {
	const {settings} = merged;
	const placed = (text: string) => text.replaceAll(placeholder, () => name);
	const within = (text: string) =>
		append && !text.includes(placeholder)
			? `${text}${text === '' || text.endsWith('/') ? '' : '/'}${name}`
			: placed(text);
	return {
		...merged,
		settings: {
			...settings,
			...(append && {serverName: name}),
			backupDirectory: within(settings.backupDirectory),
			uploadPrefix: within(settings.uploadPrefix),
			metricsFile: metricsFileOf(settings.metricsFile, name, append),
		},
	};
}

/** Returns `x.NAME.prom` for `x.prom`: a shared file would only contain the last server. */
function metricsFileOf(path: string, name: string, append: boolean): string {
	if (path === '' || !append || path.includes(placeholder)) return path.replaceAll(placeholder, () => name);
	const extension = extname(path);
	return `${path.slice(0, path.length - extension.length)}.${name}${extension}`;
}

/** In one segment `{server}-{dbname}` would be the same for `a`, `b-c` and `a-b`, `c`. */
export function placeholderProblems({backupDirectory}: Settings): readonly string[] {
	const mixed = backupDirectory.split('/').find(part => part.includes(placeholder) && part.includes('{dbname}'));
	return mixed === undefined
		? []
		: ['backup_directory: {server} and {dbname} must be in different directories of the path'];
}

/** The places where one server stores its dumps. */
type Placed = {readonly name: string; readonly settings: Settings};

/** Returns one sentence for each pair of servers that would write to the same place, or to a place inside another's. */
export function sharedPlaces(servers: readonly Placed[]): readonly string[] {
	const problems: string[] = [];
	const seen = new Map<string, string>();
	for (const {name, settings} of servers) {
		const known = seen.get(settings.serverName);
		if (known === undefined) seen.set(settings.serverName, name);
		else problems.push(`${known}.conf and ${name}.conf have the same server_name ${settings.serverName}`);
	}
	problems.push(...nested(servers, 'backup_directory', ({backupDirectory}) => [`${resolve(backupDirectory)}/`]));
	problems.push(...nested(servers, 'upload_prefix', remotePlaces));
	return problems;
}

/** Returns the places at every configured store, since each may be purged or downloaded from. */
function remotePlaces(settings: Settings): readonly string[] {
	const prefix = posix.join('/', settings.uploadPrefix, '/');
	return anyStores
		.filter(store => store.isConfigured(settings))
		.map(store => `${store.location(settings).replace(/\/$/, '')}${prefix}`);
}

/** After sorting, a place inside another follows it, with only other inner places in between. */
function nested(
	servers: readonly Placed[],
	key: string,
	placesOf: (settings: Settings) => readonly string[],
): readonly string[] {
	const places = servers
		.flatMap(({name, settings}) => placesOf(settings).map(place => ({name, place})))
		.toSorted((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
	const problems: string[] = [];
	let outer = places[0];
	for (const one of places.slice(1)) {
		if (outer !== undefined && outer.name !== one.name && one.place.startsWith(outer.place))
			problems.push(`${outer.name}.conf and ${one.name}.conf share ${key} ${outer.place}`);
		else outer = one;
	}
	return problems;
}
