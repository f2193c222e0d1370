/** Shared by all packages: version, time, folders, and creating a tree of files. */
import {execFileSync} from 'node:child_process';
import {
	chmodSync,
	copyFileSync,
	lutimesSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {gzipSync} from 'node:zlib';

export const root = join(import.meta.dirname, '../..');
export const output = join(root, 'packages');
export const {version, description} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
	readonly version: string;
	readonly description: string;
};

/** The time of every file in a package, in seconds since the epoch: two builds of one commit are identical. */
export const epoch = Number(
	process.env['SOURCE_DATE_EPOCH'] ?? execFileSync('git', ['log', '-1', '--format=%ct'], {cwd: root, encoding: 'utf8'}),
);

export type Architecture = 'x64' | 'arm64';
export const architectures: readonly Architecture[] = ['x64', 'arm64'];
export const executableName = (architecture: Architecture): string => `pg_back-${version}-linux-${architecture}`;

export function say(text: string): void {
	process.stderr.write(`[package] ${text}\n`);
}

/** Runs a command; its output is shown when it fails. */
export function must(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
	try {
		execFileSync(command, args, {stdio: 'pipe', env: {...process.env, ...env, SOURCE_DATE_EPOCH: String(epoch)}});
	} catch (error) {
		const {stdout, stderr} = error as {readonly stdout?: Buffer; readonly stderr?: Buffer};
		throw new Error(`${command} failed: ${String(stdout ?? '')}${String(stderr ?? error)}`, {cause: error});
	}
}

export function put(path: string, content: string | Uint8Array, mode = 0o644): void {
	mkdirSync(dirname(path), {recursive: true});
	writeFileSync(path, content);
	chmodSync(path, mode);
}

export function copy(from: string, to: string, mode = 0o644): void {
	mkdirSync(dirname(to), {recursive: true});
	copyFileSync(from, to);
	chmodSync(to, mode);
}

/** Compresses without a name and a time. */
export function gzip(content: string | Uint8Array): Buffer {
	return gzipSync(content, {level: 9});
}

/** Gives everything below `directory` the packages' time, and folders the mode 0755. */
export function settle(directory: string): void {
	for (const entry of readdirSync(directory, {withFileTypes: true})) {
		const path = join(directory, entry.name);
		if (entry.isDirectory()) settle(path);
		else lutimesSync(path, epoch, epoch);
	}
	chmodSync(directory, 0o755);
	lutimesSync(directory, epoch, epoch);
}

/** Returns kibibytes of all files below `directory`. */
export function sizeOf(directory: string): number {
	const bytes = readdirSync(directory, {recursive: true, withFileTypes: true})
		.filter(entry => entry.isFile())
		.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
	return Math.ceil(bytes / 1024);
}
