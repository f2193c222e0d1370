/**
 * The judge of all sweeps, which trusts nothing from the program: a file with a final name must be complete, by its
 * checksum in a manifest and by reading it to its end with age(1) and pg_restore.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {clientDirectory} from '../../test/helpers/cluster.js';
import {findTool} from '../../test/helpers/tools.js';

export type Judgement = {
	/** Databases with a complete dump, and how many. */
	readonly whole: ReadonlyMap<string, number>;
	/** Final names of files that are not complete. */
	readonly broken: readonly string[];
	/** Partial files. */
	readonly partial: readonly string[];
};

/** A complete file is not read again until it changes. */
const seen = new Map<string, string | undefined>();

/** `identity` is a file with an age identity. */
export function judge(directory: string, identity?: string): Judgement {
	const whole = new Map<string, number>();
	const broken: string[] = [];
	const names = existsSync(directory) ? readdirSync(directory) : [];
	const manifests = new Map<string, {size: number; sha256?: string; directory?: boolean}>();
	for (const name of names.filter(one => one.endsWith('.manifest.json'))) {
		try {
			const {files} = JSON.parse(readFileSync(join(directory, name), 'utf8')) as {
				files: {path: string; size: number; sha256?: string}[];
			};
			for (const file of files) manifests.set(file.path, file);
		} catch (error) {
			broken.push(`${name}: ${String(error)}`);
		}
	}
	for (const name of names) {
		if (name.startsWith('.')) continue;
		const database = /^(.+)_\d{4}-\d\d-\d\dT[\d:]+Z\.(?:dump|sql|tar|d)(?:\.age)?$/.exec(name)?.[1];
		if (database === undefined || name.startsWith('pg_globals')) continue;
		const problem = problemOf(join(directory, name), manifests.get(name), identity);
		if (problem === undefined) whole.set(database, (whole.get(database) ?? 0) + 1);
		else broken.push(`${name}: ${problem}`);
	}
	return {whole, broken, partial: names.filter(name => /^\.pg_back-.*\.part$/.test(name))};
}

function problemOf(
	path: string,
	recorded: {size: number; sha256?: string; directory?: boolean} | undefined,
	identity?: string,
): string | undefined {
	const stats = statSync(path);
	const key = `${path}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${recorded?.sha256 ?? ''}`;
	if (!seen.has(key)) seen.set(key, examine(path, recorded, identity));
	return seen.get(key);
}

function examine(
	path: string,
	recorded: {size: number; sha256?: string; directory?: boolean} | undefined,
	identity?: string,
): string | undefined {
	if (statSync(path).isDirectory())
		return existsSync(join(path, 'toc.dat')) || existsSync(join(path, 'toc.dat.age')) ? undefined : 'no toc.dat';
	const bytes = readFileSync(path);
	if (recorded && recorded.size !== bytes.length) return `${bytes.length} bytes, the manifest says ${recorded.size}`;
	if (recorded?.sha256 !== undefined && createHash('sha256').update(bytes).digest('hex') !== recorded.sha256)
		return 'another digest than in its manifest';
	try {
		const age = findTool('age') ?? 'age';
		const plain = path.endsWith('.age')
			? execFileSync(age, ['-d', '-i', identity ?? '', path], {maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe']})
			: bytes;
		if (path.includes('.sql')) return plain.toString('latin1').includes('database dump complete') ? undefined : 'cut';
		const read = spawnSync(join(clientDirectory(), 'pg_restore'), ['-f', '/dev/null'], {
			input: plain,
			timeout: 60_000,
			stdio: ['pipe', 'ignore', 'pipe'],
		});
		return read.status === 0 ? undefined : `pg_restore: ${read.stderr.toString().split('\n')[0] ?? ''}`;
	} catch (error) {
		return String(error).split('\n')[0];
	}
}
