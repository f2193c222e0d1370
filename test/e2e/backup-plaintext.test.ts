/** No byte of plaintext reaches the disk in an encrypted run; a full disk leaves nothing that looks like a dump. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {needsStrace, traced as traceInto} from '../helpers/strace.js';
import {findTool} from '../helpers/tools.js';

const canary = 'canary-of-a-row-in-plain-text';
let server: Cluster;
let keys: Awaited<ReturnType<typeof newAgeKeys>>;

before(async () => {
	keys = await newAgeKeys();
	server = await startCluster({name: 'plaintext'});
	await server.psql(
		'postgres',
		`create database a; create role witness password '${canary}'; alter role witness set application_name = '${canary}'`,
	);
	await server.psql(
		'a',
		`create table t as select i, '${canary} ' || i as text from generate_series(1, 3000) i; create table "${canary.slice(0, 20)}" (i int)`,
	);
});
after(async () => server.stop());

const encrypt = () => ['--encrypt', '--cipher-public-key', keys.recipient, '-S', 'sha256'];

type Write = {readonly path: string; readonly text: string};

/** All that any process of the run wrote into regular files or pipes, by what the descriptor was. */
function writesOf(trace: string): Write[] {
	return [...trace.matchAll(/\b(?:write|pwrite64|writev|pwritev2?|sendfile)\(\d+<([^>]*)>, (.*)/g)].map(
		([, path = '', text = '']) => ({path, text}),
	);
}

describe('an encrypted run', needsStrace, () => {
	const traced = async (args: readonly string[]): Promise<{writes: Write[]; directory: string}> => {
		const directory = scratchDirectory('out');
		const file = join(scratchDirectory('trace'), 'calls');
		const run = await runProgram([...connectTo(server, directory), ...encrypt(), ...args], {
			wrapper: traceInto(file, 'write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range', {
				length: 65_536,
				paths: true,
			}),
		});
		assert.equal(run.code, 0, run.stderr);
		return {writes: writesOf(readFileSync(file, 'utf8')), directory};
	};
	const intoFiles = (writes: readonly Write[]) =>
		writes.filter(({path}) => path.startsWith('/') && !path.startsWith('/dev/'));

	for (const format of ['p', 'c', 't']) {
		test(`-F${format}: no plaintext is written to any file, of dumps, globals, settings or lists`, async () => {
			const {writes, directory} = await traced(['-F', format, '-Z', '0'].slice(0, format === 't' ? 2 : 4));
			assert.ok(
				writes.some(({path, text}) => !path.startsWith('/') && text.includes(canary)),
				'the trace sees what goes through pipes',
			);
			const found = intoFiles(writes).filter(
				({text}) =>
					text.includes(canary) ||
					text.includes('PGDMP') ||
					text.includes('CREATE ROLE') ||
					/[0-9a-f]{64} [ *].*\.(sql|dump|out)\\n/.test(text),
			);
			assert.deepEqual(
				found.map(({path}) => path),
				[],
			);
			assert.ok(intoFiles(writes).some(({text}) => text.includes('age-encryption.org')));
			for (const name of filesIn(directory, {manifests: true})) {
				assert.match(name, /\.age$|\.age\.sha256$|\.manifest\.json$/);
				assert.ok(!readFileSync(join(directory, name)).includes(canary));
			}
		});
	}

	test('the manifest in the open names no digest and no size of the plain text', async () => {
		const {directory} = await traced(['-F', 'c']);
		const manifest = filesIn(directory, {manifests: true}).find(name => name.endsWith('.manifest.json')) ?? '';
		assert.ok(!/"plain/.test(readFileSync(join(directory, manifest), 'utf8')));
	});
});

test('the directory format: members go as soon as they are finished, so that plaintext on disk stays bounded', async () => {
	const directory = scratchDirectory('out');
	const members = 8;
	// It waits until its member before the last is gone: were they processed at the end only, it would wait for ever.
	const tools = recordingTools({
		pg_dump: `while [ $# -gt 0 ]; do [ "$1" = -f ] && directory=$2; shift; done
for i in $(seq ${members}); do
	exec 7>"$directory/$i.dat"; head -c 100000 /dev/zero >&7;
	until [ ! -e "$directory/$((i - 2)).dat" ]; do read -t 0.05 <> <(:); done
	exec 7>&-
done
echo toc >"$directory/toc.dat"`,
	});
	const run = await runProgram([
		...connectTo(server, directory),
		'--dump-only',
		'-F',
		'd',
		'-B',
		tools.directory,
		'--encrypt',
		'--cipher-public-key',
		keys.recipient,
		'a',
	]);
	assert.equal(run.code, 0, run.stderr);
	assert.equal(filesIn(directory).filter(name => /\/\d+\.dat\.age$/.test(name)).length, members);
	assert.deepEqual(
		filesIn(directory).filter(name => /\.dat$/.test(name)),
		[],
	);
});

const mayMount = process.getuid?.() === 0 && findTool('unshare') !== undefined;

describe('a full disk', {skip: !mayMount && 'only root may mount a small file system'}, () => {
	/** Runs the program with `directory` on a file system of `size` KiB that nobody else sees, and lists it at its end. */
	const onSmallDisk = async (size: number, args: readonly string[]) => {
		const directory = scratchDirectory('small');
		const wrapper = [
			'unshare',
			'-m',
			'sh',
			'-c',
			`mount -t tmpfs -o size=${size}k,mode=0700 none ${directory} && "$@"; code=$?; find ${directory} -mindepth 1; exit $code`,
			'sh',
		];
		const run = await runProgram([...connectTo(server, directory), ...args], {wrapper});
		return {
			run,
			left: run.stdout
				.split('\n')
				.filter(line => line.startsWith(directory))
				.map(line => line.slice(directory.length + 1)),
		};
	};

	before(async () => {
		await server.psql('postgres', 'create database big; create database little');
		await server.psql(
			'big',
			`create table t as select md5(i::text) || md5((i * 2)::text) as text from generate_series(1, 60000) i`,
		);
	});

	for (const format of ['p', 'c', 't', 'd']) {
		for (const encrypted of [false, true]) {
			test(`-F${format}${encrypted ? ', encrypted' : ''}: a clear error, exit 1, nothing of it left, the others are dumped`, async () => {
				const {run, left} = await onSmallDisk(1024, [
					'--dump-only',
					'-F',
					format,
					...(format === 't' ? [] : ['-Z', '0']),
					...(encrypted ? encrypt() : ['-S', 'sha1']),
					'big',
					'little',
				]);
				assert.equal(run.code, 1, run.stderr);
				assert.match(run.stderr, /ERROR: dump of big failed: .*[Nn]o space left on device/);
				assert.match(run.stderr, /HINT: free some space/);
				assert.ok(!/ at .*\(|BUG/.test(run.stderr), run.stderr);
				assert.deepEqual(
					left.filter(name => /^big_|\.part|\.lock/.test(name)),
					[],
					run.stderr,
				);
				assert.ok(
					left.some(name => name.startsWith('little_')),
					left.join(' '),
				);
			});
		}
	}

	test('that has no room for a byte: every output fails by itself, exit 1', async () => {
		const {run, left} = await onSmallDisk(4, ['-S', 'sha1', 'little']);
		assert.equal(run.code, 1, run.stderr);
		assert.ok(!/ at .*\(|BUG/.test(run.stderr), run.stderr);
		assert.deepEqual(
			left.filter(name => /\.part$|\.lock$|little_.*dump$/.test(name)),
			[],
			run.stderr,
		);
	});
});
