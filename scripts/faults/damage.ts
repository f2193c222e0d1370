/** R18: damaged dumps of every format, which `--verify` must find, without hanging. */
import {
	appendFileSync,
	cpSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {connectTo, runProgram, scratchDirectory} from '../../test/helpers/program.js';
import {type Bench, type Figure, randomSource} from './sweep.js';

type Random = () => number;
type Damage = (directory: string, dump: string, random: Random) => string;

const at = (size: number, random: Random) => Math.floor(random() * size);
/** A file of the dump: itself, or a member. */
function someFile(path: string, random: Random): string {
	if (!statSync(path).isDirectory()) return path;
	const members = readdirSync(path).sort();
	return join(path, members[at(members.length, random)] ?? '');
}

/** Each returns what it did. */
const damages: Readonly<Record<string, Damage>> = {
	'bit flip'(directory, dump, random) {
		const path = someFile(join(directory, dump), random);
		const bytes = readFileSync(path);
		const where = at(bytes.length, random);
		bytes[where] = (bytes[where] ?? 0) ^ (1 << at(8, random));
		writeFileSync(path, bytes);
		return `bit flipped in byte ${where} of ${bytes.length}`;
	},
	cut(directory, dump, random) {
		const path = someFile(join(directory, dump), random);
		const {size} = statSync(path);
		const length = at(size, random);
		truncateSync(path, length);
		return `cut to ${length} of ${size}`;
	},
	'cut by a byte'(directory, dump, random) {
		const path = someFile(join(directory, dump), random);
		truncateSync(path, statSync(path).size - 1);
		return 'cut by a byte';
	},
	'bytes appended'(directory, dump, random) {
		const path = someFile(join(directory, dump), random);
		appendFileSync(path, 'x'.repeat(1 + at(1000, random)));
		return 'bytes appended';
	},
	'zeroed page'(directory, dump, random) {
		const path = someFile(join(directory, dump), random);
		const bytes = readFileSync(path);
		const where = at(bytes.length, random);
		const zeroed = bytes.subarray(where, where + 4096);
		if (zeroed.every(byte => byte === 0)) zeroed[0] = 1;
		else zeroed.fill(0);
		writeFileSync(path, bytes);
		return `zeroed from byte ${where}`;
	},
	missing(directory, dump, random) {
		const path = join(directory, dump);
		rmSync(statSync(path).isDirectory() ? someFile(path, random) : path);
		return 'missing';
	},
	swapped(directory, dump) {
		const other = readdirSync(directory).find(
			name => name !== dump && name.startsWith('small_') && !name.includes('.sha') && !name.endsWith('.createdb.sql'),
		);
		if (other === undefined) throw new Error('no other dump');
		const aside = join(directory, 'aside');
		renameSync(join(directory, dump), aside);
		renameSync(join(directory, other), join(directory, dump));
		renameSync(aside, join(directory, other));
		return 'swapped with another';
	},
	emptied(directory, dump, random) {
		truncateSync(someFile(join(directory, dump), random), 0);
		return 'emptied';
	},
};

export async function damageSweep(bench: Bench, count: number, seed = 8): Promise<Figure> {
	const random = randomSource(seed);
	const violations: string[] = [];
	const notes: Record<string, number> = {'longest verification, ms': 0};
	const kinds = Object.entries(damages);
	const originals: {
		readonly label: string;
		readonly directory: string;
		readonly dump: string;
		readonly options: readonly string[];
	}[] = [];
	for (const format of ['custom', 'plain', 'tar', 'directory']) {
		for (const encrypted of [false, true]) {
			const directory = scratchDirectory('damage');
			const cipher = encrypted ? ['--encrypt', '--cipher-public-key', bench.recipient] : [];
			const run = await runProgram([
				...connectTo(bench.server, directory),
				'-F',
				format,
				...cipher,
				'--dump-only',
				...bench.databases,
			]);
			if (run.code !== 0) throw new Error(run.stderr);
			const dump = readdirSync(directory).find(name => name.startsWith('big_') && !name.includes('createdb')) ?? '';
			originals.push({label: `${format}${encrypted ? ', encrypted' : ''}`, directory, dump, options: []});
		}
	}
	const config = join(scratchDirectory('config'), 'pg_back.conf');
	writeFileSync(config, `cipher_identity_file = ${bench.identity}\n`, {mode: 0o600});
	for (let index = 0; index < count; index++) {
		const original = originals[index % originals.length];
		const [kind, damage] = kinds[Math.floor(index / originals.length) % kinds.length] ?? [];
		if (!original || !kind || !damage) throw new Error('unreachable');
		const copy = scratchDirectory('copy');
		cpSync(original.directory, copy, {recursive: true, preserveTimestamps: true});
		const what = damage(copy, original.dump, random);
		const started = performance.now();
		// With and without the key: the checksums of the encrypted bytes suffice.
		const run = await runProgram([
			...(random() < 0.5 ? ['-c', config] : ['--no-config-file']),
			'-b',
			copy,
			'--verify',
			'here',
			'big*',
		]);
		const took = Math.round(performance.now() - started);
		notes['longest verification, ms'] = Math.max(notes['longest verification, ms'] ?? 0, took);
		notes[kind] = (notes[kind] ?? 0) + 1;
		if (run.code === 0) violations.push(`${original.label}: ${what}: exit status 0`);
		if (took > 60_000) violations.push(`${original.label}: ${what}: took ${took} ms`);
		rmSync(copy, {recursive: true, force: true});
	}
	return {
		goal: 'R18',
		what: 'damaged dumps that verification did not find, or on which it hung',
		total: count,
		violations,
		notes,
	};
}
