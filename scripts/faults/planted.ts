/**
 * R24: files that another user planted among the backups, under every name that the program reads: nothing outside is
 * changed, and no wrong result is reported.
 */
import {createHash} from 'node:crypto';
import {
	chmodSync,
	chownSync,
	cpSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {runWithin} from '../../test/e2e/remote-places.js';
import {connectTo, type Ended, runProgram, scratchDirectory} from '../../test/helpers/program.js';
import {plantings, secretText, type Site} from './plantings.js';
import {type Bench, type Figure, lastLines, randomSource} from './sweep.js';

const user = process.getuid?.() === 0 ? 65_534 : undefined;
const wrapper = user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--'];
/** Seconds in which each command must end. */
const longest = 60;

type Act = {
	readonly args: (site: Site, bench: Bench) => readonly string[];
	/** Returns what is wrong with an exit status of 0. */
	readonly judge: (site: Site) => string | undefined;
};

const here = (site: Site) => ['--no-config-file', '-b', site.directory];
const toStore = (site: Site) => ['--upload', 'local', '--local-directory', site.store];
const nothing = () => undefined;

const acts: Readonly<Record<string, Act>> = {
	backup: {
		args: (site, bench) => [
			...connectTo(bench.server, site.directory),
			...toStore(site),
			...['-S', 'sha256', '-P', '0', '-K', '1', '--dump-only', 'small'],
		],
		judge: site => missing(site.directory, site) ?? missing(site.store, site),
	},
	verify: {args: site => [...here(site), '--verify', 'here', 'small*'], judge: damaged},
	resume: {args: site => [...here(site), ...toStore(site), '--resume-uploads'], judge: nothing},
	list: {args: site => [...here(site), ...toStore(site), '--list-remote', 'local'], judge: nothing},
	'dry run': {
		args: (site, bench) => [...connectTo(bench.server, site.directory), ...toStore(site), '--dry-run', 'small'],
		judge: nothing,
	},
	age: {args: site => [...here(site), '--check-age', '1d'], judge: nothing},
};

/** `sabotage` wraps the program: the tests of this sweep's judges break the program with it. */
export async function plantedSweep(
	bench: Bench,
	count: number,
	{seed = 5, sabotage = []}: {readonly seed?: number; readonly sabotage?: readonly string[]} = {},
): Promise<Figure> {
	const random = randomSource(seed);
	const violations: string[] = [];
	const notes: Record<string, number> = {'exit status 0': 0, failed: 0};
	chmodSync(bench.server.socketDirectory, 0o755);
	const original = await prepare(bench);
	for (let index = 0; index < count; index++) {
		const site = copyOf(original);
		const planted = Array.from({length: random() < 0.5 ? 1 : 3}, () => plantings(site, random));
		giveAll(site);
		const before = fingerprint(site.outside);
		// Each command in turn, so that a short sweep includes all of them.
		const [name, act] = Object.entries(acts)[index % Object.keys(acts).length] ?? [];
		if (name === undefined || act === undefined) throw new Error('unreachable');
		const what = `${name}, ${planted.join(' and ')}`;
		const {code, stderr} = await end(act.args(site, bench), sabotage);
		notes[code === 0 ? 'exit status 0' : 'failed']!++;
		if (code === 70 || typeof code !== 'number') violations.push(`${what}: exit status ${code}: ${lastLines(stderr)}`);
		if (fingerprint(site.outside) !== before) violations.push(`${what}: something outside was touched`);
		const lie = code === 0 ? act.judge(site) : undefined;
		if (lie !== undefined) violations.push(`${what}: exit status 0, and ${lie}`);
		const leaked = contentsOf(site.store).find(([, bytes]) => bytes.includes(secretText));
		if (leaked) violations.push(`${what}: ${leaked[0]} was uploaded from outside`);
		rmSync(site.base, {recursive: true, force: true});
	}
	return {
		goal: 'R24',
		what: 'planted files that led outside, to a false success, to a crash or to no end',
		total: count,
		violations,
		notes: {...notes, ...(user === undefined && {as: 'the user of the sweep, who is not root'})},
	};
}

/** One run with an upload, two more dumps in its directory. */
async function prepare(bench: Bench): Promise<Site> {
	const base = scratchDirectory('planted');
	const site: Site = {
		base,
		directory: join(base, 'backups'),
		store: join(base, 'store'),
		outside: join(base, 'outside'),
		dumps: new Map(),
	};
	for (const path of [site.directory, site.store, site.outside]) mkdirSync(path, {mode: 0o700});
	const run = await runProgram([
		...connectTo(bench.server, site.directory),
		...toStore(site),
		...['-S', 'sha256', '--dump-only', ...bench.databases],
	]);
	if (run.code !== 0) throw new Error(run.stderr);
	for (const name of readdirSync(site.directory).filter(one => one.endsWith('.dump')))
		site.dumps.set(name, digestOf(join(site.directory, name)));
	writeFileSync(join(site.outside, 'secret'), secretText);
	mkdirSync(join(site.outside, 'folder'));
	writeFileSync(join(site.outside, 'folder', 'toc.dat'), secretText);
	return site;
}

function copyOf(original: Site): Site {
	const base = scratchDirectory('site');
	cpSync(original.base, base, {recursive: true, preserveTimestamps: true});
	return {
		...original,
		base,
		directory: join(base, 'backups'),
		store: join(base, 'store'),
		outside: join(base, 'outside'),
	};
}

/** Everything belongs to the program's user, including what is outside, so that it could be changed. */
function giveAll({base}: Site): void {
	if (user === undefined) return;
	for (const name of readdirSync(base, {recursive: true, encoding: 'utf8'})) {
		const path = join(base, name);
		if (!lstatSync(path).isSymbolicLink()) chownSync(path, user, user);
	}
	chownSync(base, user, user);
}

async function end(
	args: readonly string[],
	sabotage: readonly string[],
): Promise<Pick<Ended, 'stderr'> & {readonly code: number | string | null}> {
	try {
		return await runWithin(args, {wrapper: [...wrapper, ...sabotage]}, longest);
	} catch (error) {
		return {code: 'none', stderr: (error as Error).message};
	}
}

/** Names, kinds, modes and contents below a directory. */
function fingerprint(directory: string): string {
	const hash = createHash('sha256');
	for (const name of readdirSync(directory, {recursive: true, encoding: 'utf8'}).toSorted()) {
		const path = join(directory, name);
		const stats = lstatSync(path);
		hash.update(`${name}\0${stats.mode}\0${stats.isFile() ? digestOf(path) : ''}\0`);
	}
	return hash.digest('hex');
}

function digestOf(path: string): string {
	return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function contentsOf(directory: string): [string, Buffer][] {
	return readdirSync(directory, {recursive: true, encoding: 'utf8'})
		.map(name => join(directory, name))
		.filter(path => lstatSync(path).isFile() && lstatSync(path).size < 10 << 20)
		.map(path => [path, readFileSync(path)]);
}

/** A successful backup has left a complete dump of its own, identified by the archive's magic bytes. */
function missing(directory: string, site: Site): string | undefined {
	const made = readdirSync(directory).filter(name => /^small_.*\.dump$/.test(name) && !site.dumps.has(name));
	const isDump = (name: string) => {
		const path = join(directory, name);
		return lstatSync(path).isFile() && readFileSync(path).subarray(0, 5).toString() === 'PGDMP';
	};
	return made.some(isDump) ? undefined : `there is no new dump in ${directory}`;
}

/** Every existing file with the name of a dump is one. */
function damaged(site: Site): string | undefined {
	for (const [name, digest] of site.dumps) {
		if (!name.startsWith('small_')) continue;
		const path = join(site.directory, name);
		const stats = lstatSync(path, {throwIfNoEntry: false});
		if (stats && (!stats.isFile() || digestOf(path) !== digest)) return `${name} is not the dump that was made`;
	}
	return undefined;
}
