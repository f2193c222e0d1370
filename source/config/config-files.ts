/** Reads the configuration file named on the command line, with the file of one server layered on top. */
import {stat} from 'node:fs/promises';
import {isSystemError, PgBackError, ProblemsError, systemReason} from '../core/errors.js';
import {readGivenFile} from '../lib/given-file.js';
import {whyUntrusted} from '../lib/trusted-file.js';
import {type CommandLine} from './command-line.js';
import {type ConfigFile, readConfigFile} from './config-file.js';
import {defaultConfigFile, options} from './options.js';
import {layered, serverFile, serverNameProblem} from './servers.js';

export function configPath(commandLine: CommandLine): string {
	return String(commandLine.values.get('config') ?? defaultConfigFile);
}

/** Returns the value of `--server`. */
export function serverOf(commandLine: CommandLine): string | undefined {
	const server = commandLine.values.get('server');
	return server === undefined ? undefined : String(server);
}

export type LoadedFiles = {readonly path: string; readonly file?: ConfigFile; readonly warnings: readonly string[]};

/**
 * Reads the configuration file, with the server's file layered on top. Throws CONFIG, or USAGE for a wrong `--server`.
 */
export async function loadFiles(commandLine: CommandLine): Promise<LoadedFiles> {
	const server = serverOf(commandLine);
	const general = await loadFile(configPath(commandLine), commandLine);
	if (server === undefined) return {...general, warnings: warningsOf(general)};
	if (commandLine.values.get('noConfigFile') === true)
		throw new ProblemsError('USAGE', ['options --server and --no-config-file cannot be used together']);
	const problem = serverNameProblem(server);
	if (problem !== undefined) throw new ProblemsError('USAGE', [`--server: ${problem}`]);
	const own = await loadFile(serverFile(configPath(commandLine), server).path, commandLine);
	if (own.file === undefined) throw new TypeError('the file of a server was not read');
	return {
		path: own.path,
		file: layered(general.file, own.file),
		warnings: [...warningsOf(general), ...warningsOf(own)],
	};
}

function warningsOf({path, file, exposed, weakness}: LoadedFile): readonly string[] {
	return [
		...(exposed ? exposedWarning(path, file) : []),
		...(weakness === undefined ? [] : [`configuration file: ${weakness}`]),
	];
}

type LoadedFile = {
	readonly path: string;
	readonly file?: ConfigFile;
	readonly exposed?: boolean;
	readonly weakness?: string;
};

/** Throws CONFIG for a file that cannot be read or that others can change; only the default file may be missing. */
export async function loadFile(path: string, commandLine: CommandLine): Promise<LoadedFile> {
	if (commandLine.values.get('noConfigFile') === true) return {path};
	try {
		const file = readConfigFile(decode(await readGivenFile(path, {signal: undefined})), path);
		const stats = await stat(path);
		// Its hooks run with our privileges. Anything but a regular file (a pipe, /dev/null) was provided by our caller.
		const {problem, weakness} = stats.isFile() ? await whyUntrusted(path) : {};
		if (problem !== undefined) {
			throw new PgBackError('CONFIG', `configuration file "${path}" was refused: ${problem}`, {
				hint: 'it must belong to root or to the user that runs pg_back, and must not be writable by anyone else: use chown and chmod',
			});
		}
		return {path, file, exposed: (stats.mode & 0o044) !== 0, ...(weakness !== undefined && {weakness})};
	} catch (error) {
		if (!isSystemError(error)) throw error;
		if (error.code === 'ENOENT' && path === defaultConfigFile) return {path};
		throw new PgBackError('CONFIG', `could not load configuration file "${path}": ${systemReason(error)}`, {
			cause: error,
			hint: 'specify a different file with -c, or use --no-config-file',
		});
	}
}

/** Decodes UTF-8, or UTF-16 with a byte order mark. */
function decode(bytes: Uint8Array): string {
	const utf16 =
		bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
	return new TextDecoder(utf16).decode(bytes);
}

function exposedWarning(path: string, file: ConfigFile | undefined): readonly string[] {
	const secrets = [...(file?.values ?? [])].flatMap(([name, {value}]) => {
		const {secret, key} = options[name];
		return secret === true && key !== undefined && value !== '' ? [key] : [];
	});
	if (secrets.length === 0) return [];
	return [`${path} holds secrets (${secrets.join(', ')}) and is readable by other users: run chmod 600`];
}
