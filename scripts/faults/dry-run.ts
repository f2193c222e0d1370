/**
 * Compares dry runs with runs: the files that a run removes, locally and at the remote, are those that `--dry-run`
 * printed before, with the same status.
 */
import {existsSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {startS3Place} from '../../test/e2e/remote-places.js';
import {type Cluster, startCluster} from '../../test/helpers/cluster.js';
import {connectTo, type Ended, newAgeKeys, runProgram, scratchDirectory} from '../../test/helpers/program.js';
import {randomSite, type Site} from './random-site.js';
import {type Figure, randomSource} from './sweep.js';

type S3Place = Awaited<ReturnType<typeof startS3Place>>;
/** Full paths, and keys of the bucket. A local directory dump is one. */
type Files = {readonly local: ReadonlySet<string>; readonly remote: ReadonlySet<string>};

export async function dryRunSweep(count: number, seed = 17): Promise<Figure> {
	const random = randomSource(seed);
	const cluster = await startCluster({name: 'dryrun-sweep'});
	const violations: string[] = [];
	const counts = {'files removed here': 0, 'objects removed there': 0, 'sites that end with an error': 0};
	try {
		await cluster.psql(
			'postgres',
			'create database a; create database b; create database "my db"; create database "x/y"',
		);
		const systemIdentifier = (
			await cluster.psql('postgres', 'select system_identifier from pg_catalog.pg_control_system()')
		).trim();
		const {recipient} = await newAgeKeys();
		const databases = new Map([
			['a', 'a'],
			['b', 'b'],
			['my db', 'my%20db'],
			['x/y', 'x%2Fy'],
		]);
		for (let number = 1; number <= count; number++) {
			const site = randomSite({random, now: Date.now(), databases, systemIdentifier, recipient});
			const place = await startS3Place();
			try {
				const found = await tryOut(cluster, site, place);
				for (const problem of found.problems) violations.push(`site ${number} of seed ${seed}: ${problem}`);
				counts['files removed here'] += found.local;
				counts['objects removed there'] += found.remote;
				if (found.code !== 0) counts['sites that end with an error']++;
			} finally {
				await place.stop();
			}
		}
	} finally {
		await cluster.stop();
	}
	return {
		goal: 'R24',
		what: 'random sites in which a run removed other files than its dry run said, or ended with another status',
		total: count,
		violations,
		notes: counts,
	};
}

async function tryOut(cluster: Cluster, site: Site, place: S3Place) {
	const base = scratchDirectory('site');
	for (const [path, content] of site.local) {
		mkdirSync(dirname(join(base, path)), {recursive: true});
		writeFileSync(join(base, path), content);
	}
	const lines = [...(site.uploads ? ['upload = s3', ...place.settings] : []), ...site.lines];
	const config = join(scratchDirectory('site-conf'), 'pg_back.conf');
	writeFileSync(config, `${lines.join('\n')}\n`, {mode: 0o600});
	const directory = site.perDatabase ? join(base, '{dbname}') : base;
	const args = ['-c', config, ...connectTo(cluster, directory).slice(1), ...site.names];
	if (site.uploads) fill(place, site);
	const before = filesOf(base, place);
	const dry = await runProgram([...args, '--dry-run']);
	const object = await runProgram([...args, '--dry-run', '--json']);
	const untouched = filesOf(base, place);
	const run = await runProgram(args);
	const gone = missing(before, filesOf(base, place));
	const planned = printed(dry.stdout);
	const problems = [
		...compare('a dry run removed', missing(before, untouched), {local: new Set(), remote: new Set()}),
		...compare('removed, and not as printed', gone, planned.remove),
		...compare('in the object, and not as printed', planned.remove, ofObject(object)),
		...kept(planned.keep, gone),
		...(dry.code === run.code && object.code === run.code
			? []
			: [`status ${dry.code} of the dry run, ${object.code} of its object, ${run.code} of the run: ${run.stderr}`]),
	];
	const context = problems.length > 0 ? [`configuration in ${config}: ${site.lines.join('; ')}`] : [];
	return {problems: [...problems, ...context], local: gone.local.size, remote: gone.remote.size, code: run.code};
}

function fill(place: S3Place, site: Site): void {
	for (const [path, content] of site.remote) {
		const bytes = Buffer.from(content);
		const about = {etag: `"${path.length}"`, modified: Date.now(), headers: {}, version: 'v1'};
		place.server.objects.set(`${site.prefix}${path}`, {bytes, size: bytes.length, ...about});
	}
}

function filesOf(base: string, place: S3Place): Files {
	const local = new Set<string>();
	for (const entry of readdirSync(base, {withFileTypes: true, recursive: true})) {
		const path = join(entry.parentPath, entry.name);
		const inDump = path
			.slice(base.length)
			.split('/')
			.slice(0, -1)
			.some(part => part.endsWith('.d'));
		const isDump = entry.isDirectory() && entry.name.endsWith('.d');
		if (!inDump && (isDump || entry.isFile()) && !entry.name.startsWith('.')) local.add(path);
	}
	return {local, remote: new Set(place.server.objects.keys())};
}

function missing(before: Files, after: Files): Files {
	const less = (one: ReadonlySet<string>, other: ReadonlySet<string>) =>
		new Set([...one].filter(path => !other.has(path)));
	return {local: less(before.local, after.local), remote: less(before.remote, after.remote)};
}

function compare(what: string, one: Files, other: Files): string[] {
	const differing = (left: ReadonlySet<string>, right: ReadonlySet<string>) =>
		[...left].filter(path => !right.has(path)).concat([...right].filter(path => !left.has(path)));
	const paths = [...differing(one.local, other.local), ...differing(one.remote, other.remote)];
	return paths.length === 0 ? [] : [`${what}: ${paths.join(', ')}`];
}

function kept(keep: Files, gone: Files): string[] {
	const wrong = [...keep.local].filter(path => gone.local.has(path) || !existsSync(path));
	wrong.push(...[...keep.remote].filter(key => gone.remote.has(key)));
	return wrong.length === 0 ? [] : [`said to be kept, and gone: ${wrong.join(', ')}`];
}

type Sets = {local: Set<string>; remote: Set<string>};

function printed(text: string): {remove: Sets; keep: Sets} {
	const sets = {remove: newSets(), keep: newSets()};
	let current: Set<string> | undefined;
	for (const line of text.split('\n')) {
		const [, action, location] = /^to (remove from|keep in) (.*), \d+ files?:$/.exec(line) ?? [];
		if (action !== undefined)
			current = sets[action === 'keep in' ? 'keep' : 'remove'][location?.startsWith('s3:') ? 'remote' : 'local'];
		else if (!line.startsWith('  ')) current = undefined;
		else if (current) current.add(line.slice(2, line.lastIndexOf('  ')));
	}
	return sets;
}

function ofObject({stdout}: Ended): Sets {
	const sets = newSets();
	if (stdout === '') return sets;
	const {purge} = JSON.parse(stdout) as {purge: {place: string; remove: {path: string}[]}[]};
	for (const {place, remove} of purge)
		for (const {path} of remove) sets[place === 'backup' ? 'local' : 'remote'].add(path);
	return sets;
}

function newSets(): Sets {
	return {local: new Set(), remote: new Set()};
}
