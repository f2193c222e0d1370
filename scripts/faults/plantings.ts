/** What can be planted, and under which names. */
import {execFileSync} from 'node:child_process';
import {
	chmodSync,
	linkSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';

export type Site = {
	readonly base: string;
	readonly directory: string;
	/** Of the uploads. */
	readonly store: string;
	/** Nothing in here may change or be uploaded. */
	readonly outside: string;
	/** Checksums by name, as created. */
	readonly dumps: Map<string, string>;
};

export const secretText = 'nobody but its owner may see this';

type Random = () => number;
const pickFrom = <T>(list: readonly T[], random: Random): T => list[Math.floor(random() * list.length)] as T;

/** Names that the program reads or removes, some of them of existing files. */
function names({directory}: Site): readonly string[] {
	const present = readdirSync(directory).filter(name => name !== '.' && !name.startsWith('big_'));
	return [
		...present,
		'.pg_back-upload-0123456789abcdef.json',
		'.pg_back-abcdef.lock',
		'.pg_back-abcdef-01234567.part',
		'.pg_back-history.json',
		'small.lock',
		'small_2020-01-01T00:00:00Z.dump',
		'small_2020-01-01T00:00:00Z.d',
		'small_2020-01-01T00:00:00Z.dump.sha256',
		'pg_back_2020-01-01T00:00:00Z.manifest.json',
		'pg_back_2020-01-01T00:00:00Z.proven.json',
		'pg_back_2099-01-01T00:00:00Z.manifest.json',
	];
}

type Plant = (path: string, site: Site, random: Random) => string;

const forms: readonly Plant[] = [
	(path, site) => (symlinkSync(join(site.outside, 'secret'), path), 'link to a file outside'),
	(path, site) => (symlinkSync(join(site.outside, 'folder'), path), 'link to a directory outside'),
	(path, site) => (symlinkSync(join(site.outside, 'new'), path), 'link to nothing outside'),
	path => (symlinkSync(path, path), 'link to itself'),
	path => (symlinkSync('/dev/zero', path), 'link to /dev/zero'),
	(path, site) => (linkSync(join(site.outside, 'secret'), path), 'second name of a file outside'),
	path => (execFileSync('mkfifo', [path]), 'pipe'),
	path => (mkdirSync(join(path, 'toc.dat'), {recursive: true}), 'directory'),
	path => (writeFileSync(path, ''), 'empty file'),
	path => (writeFileSync(path, ''), truncateSync(path, 200 << 20), 'file of 200 MiB of zeros'),
	path => (writeFileSync(path, '{}'), chmodSync(path, 0), 'file without rights'),
	path => (writeFileSync(path, Buffer.from([0xff, 0xfe, 0, 0x7b])), 'bytes that are no text'),
	path => (writeFileSync(path, '['.repeat(200_000)), 'deep JSON'),
	path => (writeFileSync(path, '{"__proto__":{"polluted":1},"schema":1,"files":[{"__proto__":null}]}'), '__proto__'),
	(path, site, random) => {
		const text = hostile(site, random);
		writeFileSync(path, text);
		return text.length > 200 ? 'changed JSON' : text;
	},
];

/** Values that are invalid in a field, or point outside. */
const values = (site: Site): readonly unknown[] => [
	...['../outside/secret', join(site.outside, 'secret'), '', '.', '..', 'a\0b', '\u202e', 'x'.repeat(100_000)],
	...[-1, 1e308, 0.5, null, true, [], {}, [[]], '9999-99-99', '2099-01-01T00:00:00.000Z', 'file:///etc/passwd'],
];

/** Returns a manifest of the site, an upload record or a proof with some changed fields. */
function hostile(site: Site, random: Random): string {
	const manifest = readdirSync(site.directory).find(name => name.endsWith('.manifest.json'));
	const record = {
		run: 'abcdef',
		location: `${site.store}/`,
		key: 'loot',
		file: '../outside/secret',
		size: 33,
		modified: 1,
		deleteLocal: true,
	};
	const read = (name: string): unknown => {
		try {
			return JSON.parse(readFileSync(join(site.directory, name), 'utf8')) as unknown;
		} catch {
			return record; // an earlier planting has replaced it
		}
	};
	const value = structuredClone(random() < 0.6 && manifest !== undefined ? read(manifest) : record);
	for (let left = 1 + Math.floor(random() * 3); left > 0; left--) change(value, site, random);
	return JSON.stringify(value);
}

function change(value: unknown, site: Site, random: Random): void {
	let at = value;
	while (typeof at === 'object' && at !== null) {
		const keys = Object.keys(at);
		if (keys.length === 0) return;
		const key = pickFrom(keys, random);
		const inner = (at as Record<string, unknown>)[key];
		if (typeof inner !== 'object' || inner === null || random() < 0.2) {
			(at as Record<string, unknown>)[key] = pickFrom(values(site), random);
			return;
		}
		at = inner;
	}
}

/** Plants one thing in the backup directory (rarely in the store), and returns its description. */
export function plantings(site: Site, random: Random): string {
	const name = pickFrom(names(site), random);
	const place = random() < 0.8 ? site.directory : site.store;
	const path = join(place, name);
	rmSync(path, {recursive: true, force: true});
	return `${pickFrom(forms, random)(path, site, random)} as ${place === site.store ? 'store/' : ''}${name}`;
}
