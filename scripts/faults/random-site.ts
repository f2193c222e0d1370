/**
 * Generates a random site for the sweep of dry runs: a configuration, and what earlier runs, pg_back 2.6 and users have
 * left at both places.
 */

export type Site = {
	/** Lines of the configuration file, without connection, directory and store. */
	readonly lines: readonly string[];
	readonly names: readonly string[];
	readonly uploads: boolean;
	readonly prefix: string;
	/** `{dbname}` is in the backup directory. */
	readonly perDatabase: boolean;
	/** Contents by path below the backup directory; below the bucket and its prefix for the remote. */
	readonly local: ReadonlyMap<string, string>;
	readonly remote: ReadonlyMap<string, string>;
};

export type SiteOptions = {
	readonly random: () => number;
	/** Milliseconds since the epoch. */
	readonly now: number;
	/** Databases of the server, by their names in files. */
	readonly databases: ReadonlyMap<string, string>;
	readonly systemIdentifier: string;
	/** An age public key. */
	readonly recipient: string;
};

const hour = 3_600_000;
const day = 24 * hour;

export function randomSite(options: SiteOptions): Site {
	const {random, databases} = options;
	const chance = (share: number) => random() < share;
	const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
	const retention = () => [
		...(chance(0.8) ? [`purge_older_than = ${pick('0', '5', '30', '36h', '400', '9999999', '-1h')}`] : []),
		...(chance(0.5) ? [`purge_min_keep = ${pick('0', '1', '2', '3', 'all')}`] : []),
		...['daily', 'weekly', 'monthly', 'yearly'].flatMap(kind =>
			chance(0.3) ? [`keep_${kind} = ${1 + Math.floor(random() * 5)}`] : [],
		),
	];
	const outputs = () => [
		...(chance(0.5) ? [`format = ${pick('custom', 'plain', 'directory', 'tar')}`] : []),
		...(chance(0.4) ? ['checksum_algorithm = sha256'] : []),
	];
	const encrypts = chance(0.3);
	const uploads = chance(0.75);
	const prefix = uploads && chance(0.5) ? 'prod/' : '';
	const perDatabase = chance(0.25);
	const sections = [...databases.keys()].flatMap(name =>
		chance(0.4) && !name.includes('/') ? [`[${name}]`, ...retention(), ...outputs()] : [],
	);
	const lines = [
		...retention(),
		...outputs(),
		...(encrypts ? ['encrypt = true', `cipher_public_key = ${options.recipient}`] : []),
		...(encrypts && chance(0.3) ? ['encrypt_keep_source = true'] : []),
		...(uploads && chance(0.85) ? ['purge_remote = true'] : []),
		...(uploads && chance(0.4) ? ['delete_uploaded = true'] : []),
		...(prefix === '' ? [] : ['upload_prefix = prod']),
		...(chance(0.3) ? ['timestamp_format = legacy'] : []),
		...(chance(0.3) ? ['uniform_timestamp = true'] : []),
		...(chance(0.2) ? ['dump_only = true'] : []),
		...(chance(0.3) ? ['jobs = 2'] : []),
		...(chance(0.2) ? ['exclude_dbs = b'] : []),
		...sections,
	];
	const names = chance(0.4) ? [...databases.keys()].filter(() => chance(0.5)) : [];
	if (chance(0.1)) names.push('nosuch');
	const all = placeFiles(options, chance(0.12));
	const both = [...all].map(([path, content]) => [perDatabase ? intoDirectory(path) : path, content] as const);
	const some = (share: number) => new Map(both.filter(([path]) => path.includes('manifest') || chance(share)));
	return {lines, names, uploads, prefix, perDatabase, local: some(0.85), remote: uploads ? some(0.85) : new Map()};
}

/** With `{dbname}`, a file is in the directory with the first part of its name. */
function intoDirectory(path: string): string {
	return `${path.replace(/_\d{4}-.*$/s, '').replaceAll('/', '_')}/${path}`;
}

function placeFiles({random, now, databases, systemIdentifier}: SiteOptions, future: boolean): Map<string, string> {
	const chance = (share: number) => random() < share;
	const pick = <T>(...values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
	const files = new Map<string, string>();
	const subjects = [...databases.values(), 'pg_globals', 'pg_settings', 'hba_file', 'ident_file', 'ghost', 'my db'];
	for (let moment = 0; moment < 4 + Math.floor(random() * 14); moment++) {
		// Never near a limit that is a multiple of half a day: a dry run and a run are seconds apart.
		const age = Math.floor(random() ** 2 * pick(3, 40, 500)) * day + (0.1 + random() * 0.3) * day;
		const text = timeText(future && chance(0.1) ? now + age : now - age, pick('utc', 'utc', 'zone', 'legacy'));
		const described: {path: string; size: number; database?: string}[] = [];
		for (const subject of subjects) {
			if (!chance(0.6)) continue;
			const isDatabase = !/^(pg_globals|pg_settings|hba_file|ident_file)$/.test(subject);
			const suffix = isDatabase
				? pick('dump', 'dump', 'sql', 'sql.gz', 'tar', 'd')
				: subject === 'pg_globals'
					? 'sql'
					: 'out';
			const stem = `${subject}_${text}.${suffix}`;
			const sealed = suffix !== 'd' && chance(0.2) ? '.age' : '';
			const content = chance(0.15) ? '' : 'x'.repeat(1 + Math.floor(random() * 50));
			if (suffix === 'd') {
				if (chance(0.85)) files.set(`${stem}/toc.dat`, 'toc');
				files.set(`${stem}/${1 + Math.floor(random() * 9)}.dat.gz`, 'data');
			} else files.set(stem + sealed, content);
			if (chance(0.3)) files.set(`${stem}${sealed}.sha256`, 'sum');
			if (isDatabase && chance(0.2)) files.set(`${subject}_${text}.createdb.sql`, 'create');
			const database = [...databases].find(([, encoded]) => encoded === subject)?.[0];
			described.push({path: stem + sealed, size: content.length, ...(database !== undefined && {database})});
		}
		if (chance(0.5))
			files.set(`pg_back_${text}.manifest.json`, manifest({random, systemIdentifier, now: now - age, described}));
		if (chance(0.1)) files.set(`pg_back_${text}.private.json.age`, 'sealed');
		if (chance(0.3))
			files.set(`a_${text}${pick('.draft', '', '.dump.old', '.tar.gz', '.dump.keep', '.sql.orig')}`, 'mine');
	}
	files.set('notes.txt', 'mine');
	return files;
}

type ManifestFacts = {
	readonly random: () => number;
	readonly systemIdentifier: string;
	readonly now: number;
	readonly described: readonly {readonly path: string; readonly size: number; readonly database?: string}[];
};

function manifest({random, systemIdentifier, now, described}: ManifestFacts): string {
	if (random() < 0.1) return '{"schema": 1, "cut';
	const time = new Date(now).toISOString();
	const failed = described.filter(({database}) => database !== undefined && random() < 0.1);
	return JSON.stringify({
		schema: 1,
		runId: `run-${Math.floor(random() * 1e9)}`,
		outcome: failed.length > 0 ? 'partial' : 'complete',
		start: time,
		end: time,
		host: 'host',
		server: {version: '15.1', systemIdentifier: random() < 0.15 ? '7000000000000000001' : systemIdentifier},
		version: '3.0.0',
		tools: {},
		options: {},
		databases: described.flatMap(({database}) => database ?? []),
		failed: failed.map(({database}) => ({database, code: 'DUMP_FAILED', message: 'no'})),
		files: described.map(({path, size, database}) => ({
			path,
			role: 'dump',
			...(database !== undefined && {database}),
			time,
			size: random() < 0.1 ? size + 1 : size,
			...(path.endsWith('.d') && {directory: true}),
			verified: 'hash',
			shipped: [],
		})),
	});
}

function timeText(time: number, kind: 'utc' | 'zone' | 'legacy'): string {
	const text = new Date(Math.floor(time / 1000) * 1000).toISOString().replace('.000', '');
	if (kind === 'utc') return text;
	if (kind === 'zone') return `${new Date(Math.floor(time / 1000) * 1000 + 2 * hour).toISOString().slice(0, 19)}+02:00`;
	return text.slice(0, 19).replace('T', '_').replaceAll(':', '-');
}
