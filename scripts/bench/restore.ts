/**
 * `npm run bench:restore`: `--restore --into --compare none` of an encrypted custom dump against the plain tools, in turn, on one server:
 * `age -d > FILE && pg_restore -j 2 && vacuumdb --analyze-only -j 2`, `pg_restore -j 2` of a file that was never encrypted, the same after
 * a download at 50 MB/s, of a directory dump too, and a loop over pg_restore for many small databases. Prints medians, and the largest resident set of our process.
 * `--megabytes N` (default 2048) is the size of the large database, `--rounds N` (default 3), `--databases N` (default 200);
 * `--only local,s3,members,small` leaves the others out. Exits with 1 when a limit is exceeded. `--short` takes a minute: 100 MB, once, and judges
 * memory only, because starting up is a good part of such a restore.
 */
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {generateX25519Identity, identityToRecipient} from 'age-encryption';
import type {Server} from '../demo/server.js';
import {createBench, program} from './bench.js';
import {median} from './statistics.js';
import {timeCommand, type Timed} from './timed.js';

const {values} = parseArgs({
	options: {
		megabytes: {type: 'string', default: '2048'},
		rounds: {type: 'string', default: '3'},
		databases: {type: 'string', default: '200'},
		only: {type: 'string', default: 'local,s3,members,small'},
		short: {type: 'boolean', default: false},
	},
});
if (values.short) Object.assign(values, {megabytes: '100', rounds: '1', databases: '20'});
const parts = new Set(values.only.split(','));
const memoryLimit = 120;
const tables = 10;
const {scratch, signal, withServer} = await createBench();
chmodSync(scratch, 0o755);

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const keyFile = join(scratch, 'identity');
writeFileSync(keyFile, `${identity}\n`, {mode: 0o600});
await withServer(async server => {
	if (['local', 's3', 'members'].some(part => parts.has(part))) await fillLarge(server);
	if (parts.has('local')) await measureLocal(server);
	if (parts.has('s3')) await measureS3(server);
	if (parts.has('members')) await measureMembers(server);
	if (parts.has('small')) await measureSmall(server);
});

/** Ten tables of different widths, each with a primary key and two more indexes. */
async function fillLarge(server: Server): Promise<void> {
	await server.psql('postgres', 'create database large');
	// A row of these takes about 250 bytes in the table, and 90 in its indexes.
	const rows = Math.round((Number(values.megabytes) * 1e6) / 340 / tables);
	for (let table = 0; table < tables; table++) {
		await server.psql(
			'large',
			`create table t${table} (id int primary key, name text, at timestamptz, body text);
			insert into t${table} select n, 'item ' || n, now() - n * interval '1 second', md5(n::text) || md5((n * 7)::text) || repeat(md5((n % 1000)::text), 4)
				from generate_series(1, ${rows}) n;
			create index on t${table} (name); create index on t${table} (at)`,
		);
	}
	await server.psql('postgres', 'checkpoint');
	const size = await server.psql('postgres', "select pg_database_size('large')");
	process.stdout.write(`database of ${megabytes(Number(size))} MB, ${tables} tables\n`);
}

async function measureLocal(server: Server): Promise<void> {
	const [directory, store] = [newDirectory('local'), newDirectory('store')];
	await backup(server, directory, ['--upload', 'local', '--local-directory', store, 'large']);
	const encrypted = fileIn(store, /^large_.*\.dump\.age$/);
	const clear = join(scratch, 'clear.dump');
	execFileSync('age', ['-d', '-i', keyFile, '-o', join(scratch, 'piped.dump'), encrypted]);
	execFileSync(join(server.binDirectory, 'pg_dump'), ['-Fc', ...connection(server), '-f', clear, 'large']);
	process.stdout.write(`archive of ${megabytes(statSync(encrypted).size)} MB\n`);
	const restoreArgs = ['--local-directory', store, '--restore', 'local', 'large'];
	const taken = await compare(server, {
		ours: () => restore(server, directory, [...restoreArgs, '--into', 'restored', '--compare', 'none']),
		age: () =>
			shell(
				`createdb restored && age -d -i ${keyFile} -o plain.dump '${encrypted}' && pg_restore -j 2 -d restored plain.dump && vacuumdb -q --analyze-only -j 2 restored`,
				server,
			),
		plain: () => shell(`createdb restored && pg_restore -j 2 -d restored '${clear}'`, server),
	});
	report('age -d, pg_restore -j 2, vacuumdb', taken['ours'], taken['age'], 0.85);
	report('pg_restore -j 2 of a clear file', taken['ours'], taken['plain'], 1.1);
	for (const path of [directory, store, clear]) rmSync(path, {recursive: true});
}

async function measureS3(server: Server): Promise<void> {
	const directory = newDirectory('s3');
	await backup(server, directory, ['-Z', '0', 'large']);
	const encrypted = fileIn(directory, /^large_.*\.dump\.age$/);
	process.stdout.write(`uncompressed archive of ${megabytes(statSync(encrypted).size)} MB, at 50 MB/s\n`);
	const name = encrypted.slice(directory.length + 1);
	await againstRemote(server, directory, {
		what: 'download, age -d, pg_restore -j 2, vacuumdb',
		limit: 0.75,
		args: [],
		script: plain =>
			`curl -sf -o got.age '${plain}/${encodeURIComponent(name)}' && age -d -i ${keyFile} -o plain.dump got.age`,
	});
}

async function measureMembers(server: Server): Promise<void> {
	const directory = newDirectory('members');
	await backup(server, directory, ['-Z', '0', '--format', 'directory', 'large']);
	const dump = fileIn(directory, /^large_.*\.d$/);
	const names = readdirSync(dump);
	const size = names.reduce((sum, name) => sum + statSync(join(dump, name)).size, 0);
	process.stdout.write(`uncompressed directory dump of ${megabytes(size)} MB, at 50 MB/s\n`);
	const path = encodeURIComponent(dump.slice(directory.length + 1));
	await againstRemote(server, directory, {
		what: 'download of a directory dump, age -d, pg_restore -j 2, vacuumdb',
		limit: 0.7,
		args: ['--stream', 'yes'],
		script: plain =>
			`mkdir plain.dump && cd plain.dump && curl -sf --remote-name-all ${names.map(name => `'${plain}/${path}/${encodeURIComponent(name)}'`).join(' ')} && for f in *.age; do age -d -i ${keyFile} -o "\${f%.age}" "$f" && rm "$f" || exit 1; done && cd ..`,
	});
}

type Remote = {
	readonly what: string;
	readonly limit: number;
	/** More options of our command. */
	readonly args: readonly string[];
	/** Makes `plain.dump` of what is at an address. */
	readonly script: (plain: string) => string;
};

/** Restores what is in the directory from a remote at 50 MB/s, and removes the directory. */
async function againstRemote(
	server: Server,
	directory: string,
	{what, limit, args: more, script}: Remote,
): Promise<void> {
	const client = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'throttled-s3.ts'), directory], {
		stdio: ['pipe', 'pipe', 'inherit'],
	});
	try {
		const [line] = (await once(client.stdout, 'data')) as [Buffer];
		const {url, plain} = JSON.parse(line.toString()) as {url: string; plain: string};
		const s3 = ['--s3-endpoint', url, '--s3-bucket', 'bucket', '--s3-region', 'us-east-1', '--s3-force-path', 'yes'];
		const env = {AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret/of+the=test'};
		const args = [...s3, '--restore', 's3', 'large', '--into', 'restored', '--compare', 'none', ...more];
		const taken = await compare(server, {
			ours: () => restore(server, newDirectory('empty'), args, env),
			tools: () =>
				shell(
					`createdb restored && ${script(plain)} && pg_restore -j 2 -d restored plain.dump && vacuumdb -q --analyze-only -j 2 restored`,
					server,
				),
		});
		report(what, taken['ours'], taken['tools'], limit);
	} finally {
		client.stdin.end();
		await once(client, 'close');
		rmSync(directory, {recursive: true});
	}
}

async function measureSmall(server: Server): Promise<void> {
	const names = Array.from({length: Number(values.databases)}, (_, index) => `small_${index}`);
	for (const [index, name] of names.entries()) {
		if (index > 0) {
			await server.psql('postgres', `create database ${name} template small_0`);
			continue;
		}
		await server.psql('postgres', `create database ${name}`);
		await server.psql(
			name,
			`create table item (id int primary key, name text); insert into item select n, 'item ' || n from generate_series(1, 2000) n;
			create table note (id int primary key, item int references item, at timestamptz default now()); insert into note (id, item) select n, n from generate_series(1, 2000) n`,
		);
	}
	const directory = newDirectory('small');
	await backup(server, directory, ['-j', '4', '--no-encrypt', ...names]);
	const drop = () =>
		shell(`printf 'drop database if exists "%s_r";\\n' ${names.join(' ')} | psql -Xq -d postgres 2>/dev/null`, server);
	const ours: Timed[] = [];
	const loop: Timed[] = [];
	for (let round = 0; round < Number(values.rounds); round++) {
		ours.push(await restore(server, directory, ['--restore', 'backup', '--into', '{dbname}_r', '--compare', 'none']));
		await drop();
		loop.push(
			await shell(
				`for name in ${names.join(' ')}; do createdb "\${name}_r" && pg_restore -d "\${name}_r" '${directory}'/"\${name}"_*.dump || exit 1; done`,
				server,
			),
		);
		await drop();
	}
	report(`a loop of createdb and pg_restore, ${names.length} small databases`, ours, loop, 1.15);
}

type Way = () => Promise<Timed>;

/** Runs each way once per round, after one round that fills the page cache. */
async function compare<K extends string>(
	server: Server,
	ways: Readonly<Record<K, Way>>,
): Promise<Partial<Record<string, Timed[]>>> {
	const taken: Partial<Record<string, Timed[]>> = {};
	for (let round = 0; round < Number(values.rounds); round++) {
		for (const [name, way] of Object.entries<Way>(ways)) {
			await server.psql('postgres', 'checkpoint');
			(taken[name] ??= []).push(await way());
			const rows = await server.psql('restored', 'select count(*) from t9');
			if (Number(rows) === 0) throw new Error(`${name} restored nothing`);
			await server.psql('postgres', 'drop database restored');
		}
	}
	return taken;
}

function report(what: string, ours: readonly Timed[] = [], theirs: readonly Timed[] = [], limit: number): void {
	const [mine, other] = [ours, theirs].map(of => median(of.map(one => one.seconds))) as [number, number];
	const peak = Math.max(...ours.map(one => one.megabytes));
	const good = (values.short || mine / other <= limit) && peak <= memoryLimit;
	process.stdout.write(
		`against ${what}: pg_back ${mine.toFixed(2)} s, the tools ${other.toFixed(2)} s, ratio ${(mine / other).toFixed(3)} (limit ${limit}); ` +
			`peak memory ${peak.toFixed(0)} MiB (limit ${memoryLimit}): ${good ? 'ok' : 'FAILED'}\n`,
	);
	if (!good) process.exitCode = 1;
}

function connection(server: Server): string[] {
	return ['-h', server.host, '-p', String(server.port), '-U', 'postgres'];
}

function backup(server: Server, directory: string, args: readonly string[]): Promise<Timed> {
	const all = ['--no-config-file', '-q', '-b', directory, ...connection(server), '-B', server.binDirectory];
	const keys = args.includes('--no-encrypt') ? [] : ['--encrypt', '--cipher-public-key', recipient];
	return timeCommand(process.execPath, [program, ...all, ...keys, ...args], signal);
}

function restore(
	server: Server,
	directory: string,
	args: readonly string[],
	env: Readonly<Record<string, string>> = {},
): Promise<Timed> {
	const all = ['--no-config-file', '-q', '-b', directory, ...connection(server), '-B', server.binDirectory];
	const own = ['--cipher-identity-file', keyFile, '--restore-jobs', '2', ...args];
	return timeCommand(process.execPath, [program, ...all, ...own], signal, env);
}

/** Runs a script in a directory of its own. */
async function shell(script: string, server: Server): Promise<Timed> {
	const directory = newDirectory('shell');
	const env = {
		PATH: `${server.binDirectory}:${process.env['PATH'] ?? ''}`,
		PGHOST: server.host,
		PGPORT: String(server.port),
		PGUSER: 'postgres',
	};
	try {
		return await timeCommand('sh', ['-c', `cd '${directory}' && ${script}`], signal, env);
	} finally {
		rmSync(directory, {recursive: true});
	}
}

function newDirectory(name: string): string {
	const path = join(scratch, `${name}-${Math.random().toString(36).slice(2)}`);
	mkdirSync(path, {mode: 0o700});
	return path;
}

function fileIn(directory: string, pattern: RegExp): string {
	const name = readdirSync(directory).find(one => pattern.test(one));
	if (name === undefined) throw new Error(`nothing like ${String(pattern)} in ${directory}`);
	return join(directory, name);
}

function megabytes(bytes: number): string {
	return (bytes / 1e6).toFixed(0);
}
