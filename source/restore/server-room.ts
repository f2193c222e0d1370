/** The free disk space of the server's databases, if it is known: on this host. */
import {readFile, statfs} from 'node:fs/promises';
import {join} from 'node:path';
import {isSystemError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {formatBytes} from '../lib/format.js';
import type {ManifestFile} from '../repository/manifest.js';
import type {DatabasePlan, Finding} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';

/** By tablespace, '' for the data directory: its path, and free bytes. */
export type ServerRoom = ReadonlyMap<string, {readonly path: string; readonly free: number}>;

/** Returns an empty map for a server on another host, or one with files that are not visible from here. */
export async function serverRoom({session, inventory}: RestoreTarget): Promise<ServerRoom> {
	const room = new Map<string, {path: string; free: number}>();
	const {local, dataDirectory} = inventory;
	if (!local || dataDirectory === undefined || !(await isServedFrom(dataDirectory, session.port))) return room;
	const rows = await session.query(
		`select spcname, pg_catalog.pg_tablespace_location(oid) from pg_catalog.pg_tablespace where spcname <> 'pg_global'`,
	);
	for (const [name, location] of rows) {
		const isOther = location !== null && location !== undefined && location !== '';
		const path = isOther ? location : dataDirectory;
		const free = await freeAt(path);
		if (free !== undefined) room.set(isOther ? (name ?? '') : '', {path, free});
	}
	return room;
}

/** A directory with the same path here may belong to another server, if the server runs in a container. */
async function isServedFrom(directory: string, port: string): Promise<boolean> {
	try {
		return (await readFile(join(directory, 'postmaster.pid'), 'utf8')).split('\n')[3] === port;
	} catch (error) {
		if (isSystemError(error)) return false;
		throw error;
	}
}

async function freeAt(path: string): Promise<number | undefined> {
	try {
		const {bavail, bsize} = await statfs(path);
		return bavail * bsize;
	} catch (error) {
		if (isSystemError(error)) return undefined;
		throw error;
	}
}

/** Sorting for indexes, WAL and temporary files, in relation to the size of the database that was dumped. */
const headroom = 1.3;

export type RoomInput = {
	/** The entries of manifests, by path. */
	readonly known: ReadonlyMap<string, ManifestFile>;
	/** Rows are restored too. */
	readonly data: boolean;
};

/**
 * Databases are not smaller than their dumps: a file system that does not even hold those is too small. One that has
 * less than the dumped databases took may be: they can have contained free space.
 */
export function roomFindings(
	databases: readonly DatabasePlan[],
	room: ServerRoom,
	{known, data}: RoomInput,
): readonly Finding[] {
	const created = databases.filter(({mode}) => mode === 'create' || mode === 'replace');
	const placeOf = ({definition}: DatabasePlan) =>
		definition.tablespace !== undefined && room.has(definition.tablespace) ? definition.tablespace : '';
	const recorded = ({prepared: {dump, bytes}}: DatabasePlan) =>
		Math.max(bytes, headroom * (known.get(dump.path)?.plain?.databaseSize ?? 0));
	return [...Map.groupBy(created, placeOf)].flatMap(([name, all]): Finding[] => {
		const place = data ? room.get(name) : undefined;
		if (!place) return [];
		const least = all.reduce((sum, {prepared}) => sum + prepared.bytes, 0);
		const likely = all.reduce((sum, plan) => sum + recorded(plan), 0);
		const free = `${display(place.path)} of the target has ${formatBytes(place.free)} free`;
		const hint = 'free some space there, or restore fewer databases';
		if (least > place.free)
			return [
				{severity: 'stop', code: 'TARGET_LACKS', text: `the dumps take ${formatBytes(least)}, and ${free}`, hint},
			];
		if (likely <= place.free) return [];
		return [{severity: 'warn', text: `the restore needs about ${formatBytes(likely)}, and ${free}`, hint}];
	});
}

/**
 * Reports a dump that must be stored as a file first, and does not fit. `room`: free bytes in the restore directory.
 */
export function directoryFindings(databases: readonly DatabasePlan[], room: number): readonly Finding[] {
	return databases
		.filter(({mode, road, prepared}) => mode !== 'skip' && road === 'file' && prepared.bytes > room)
		.map(({prepared: {dump, bytes, format}}) => ({
			severity: 'stop',
			code: 'FILE_SYSTEM',
			database: dump.database,
			text: `the dump of ${display(dump.database)} takes ${formatBytes(bytes)}, and the directory for fetched dumps has ${formatBytes(room)} free`,
			hint:
				format === 'custom'
					? 'set restore_directory, or use --stream yes, which needs no file'
					: 'set restore_directory to a directory with more space',
		}));
}
