// Where the tools are: on the machine, or under .tools. Used by the set-up and, through test/helpers/tools.ts, by the tests.
import {accessSync, constants, existsSync, readdirSync, readFileSync} from 'node:fs';
import {delimiter, join} from 'node:path';
import {fileURLToPath} from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
export const toolsDirectory = join(root, '.tools');
export const debianDirectory = join(toolsDirectory, 'debian');
export const serversDirectory = join(toolsDirectory, 'servers');
export const unavailableFile = join(toolsDirectory, 'unavailable.json');

function isExecutable(path) {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** Where the set-up has unpacked programs, for the end of a PATH: the program under test looks nowhere else. */
export function unpackedDirectories() {
	return [
		...['usr/bin', 'usr/sbin', 'bin', 'sbin'].map(directory => join(debianDirectory, directory)),
		...majorsIn(join(debianDirectory, 'usr/lib/postgresql'), /^(\d+)$/, 'bin').map(([, directory]) => directory),
	].filter(directory => existsSync(directory));
}

export function findTool(name) {
	const directories = [
		...(process.env.PATH ?? '').split(delimiter).filter(Boolean),
		'/usr/sbin',
		'/sbin',
		'/usr/local/sbin',
		...['usr/bin', 'usr/sbin', 'bin', 'sbin'].map(directory => join(debianDirectory, directory)),
	];
	return directories.map(directory => join(directory, name)).find(isExecutable);
}

/** [major, directory] of each PostgreSQL below the given parents, which hold folders named by `pattern`. */
function majorsIn(parent, pattern, below) {
	if (!existsSync(parent)) return [];
	return readdirSync(parent).flatMap(name => {
		const major = Number(pattern.exec(name)?.[1]);
		return Number.isInteger(major) ? [[major, join(parent, name, below)]] : [];
	});
}

function installations(program) {
	const found = [
		...majorsIn('/usr/lib/postgresql', /^(\d+)$/, 'bin'),
		...majorsIn('/usr', /^pgsql-(\d+)$/, 'bin'),
		...majorsIn(join(debianDirectory, 'usr/lib/postgresql'), /^(\d+)$/, 'bin'),
		...majorsIn(join(serversDirectory, 'node_modules'), /^pg(\d+)$/, 'native/bin'),
		...majorsIn(toolsDirectory, /^pg(\d+)$/, '').map(([major, directory]) => [
			major,
			join(directory, `usr/lib/postgresql/${major}/bin`),
		]),
	];
	const byMajor = new Map();
	for (const [major, binDirectory] of found) {
		if (!byMajor.has(major) && isExecutable(join(binDirectory, program))) byMajor.set(major, {major, binDirectory});
	}
	return [...byMajor.values()].sort((a, b) => a.major - b.major);
}

export const postgresServers = () => installations('initdb');
export const postgresClients = () => installations('pg_dump');

export function serverPackage(name) {
	const directory = join(serversDirectory, 'node_modules', name);
	return existsSync(directory) ? directory : undefined;
}

/** What the set-up could not get: {group: {reason, at}}. */
export function unavailable() {
	return existsSync(unavailableFile) ? JSON.parse(readFileSync(unavailableFile, 'utf8')) : {};
}
