/** A scratch machine for the commands of the documents: a server with databases, dumps here and in a bucket, and a PATH of its own. */
import {execFileSync, spawn} from 'node:child_process';
import {generateKeyPairSync} from 'node:crypto';
import {once} from 'node:events';
import {chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {cleanEnvironment, nextSecond, programPath, scratchDirectory} from '../helpers/program.js';
import {type S3Server, startS3Server} from '../helpers/s3-server.js';
import {makeKey} from '../helpers/sshd.js';
import {findTool} from '../helpers/tools.js';
import {s3Settings} from './remote-places.js';

/** How the dumps that a block finds were made. */
export type Profile = 'plain' | 'encrypted' | 'directory';

export type Site = {
	readonly server: Cluster;
	readonly bucket: S3Server;
	/** Dumps that are there before the first block, by profile: two runs. */
	readonly dumps: Readonly<Record<Profile, string>>;
	/** A file with Anna's identity. */
	readonly identity: string;
	readonly recipient: string;
	readonly close: () => Promise<void>;
};

export type Ran = {readonly code: number | null; readonly output: string};

export async function openSite(): Promise<Site> {
	const server = await startCluster({name: 'documents'});
	const bucket = await startS3Server();
	const home = scratchDirectory('documents');
	const age = findTool('age-keygen') ?? 'age-keygen';
	const identity = join(home, 'anna.txt');
	execFileSync(age, ['-o', identity], {stdio: 'ignore'});
	const recipient = execFileSync(age, ['-y', identity], {encoding: 'utf8'}).trim();
	await createDatabases(server);
	const site = {server, bucket, identity, recipient, dumps: {plain: '', encrypted: '', directory: ''}};
	for (const profile of ['plain', 'encrypted', 'directory'] as const) {
		const machine = openMachine(site, profile);
		for (let run = 0; run < 2; run++) {
			const {code, output} = await runScript(machine, 'pg_back');
			if (code !== 0) throw new Error(output);
			await nextSecond();
		}
		site.dumps[profile] = machine.backups;
	}
	return {
		...site,
		async close() {
			await bucket.close();
			await server.stop();
		},
	};
}

/** Takes back what blocks have done to the databases. */
export async function createDatabases(server: Cluster): Promise<void> {
	const names = await server.psql('postgres', "select datname from pg_database where datname ~ '^(app|shop)'");
	for (const name of names.split('\n').filter(Boolean))
		await server.psql('postgres', `drop database "${name}" with (force)`);
	for (const name of ['app', 'shop']) await server.psql('postgres', `create database ${name}`);
	await server.psql(
		'app',
		'create schema app; create schema sales; create schema audit; create table audit.log (id int); create table app.orders as select 1 as id',
	);
	await server.psql('app', 'create table sales.items as select generate_series(1, 10) as id');
	await server.psql('shop', 'create table audit as select 1 as id; create table orders as select 2 as id');
}

export type Machine = {
	/** Stands for `/`. */
	readonly root: string;
	readonly backups: string;
	readonly env: Readonly<Record<string, string>>;
};

/** Makes the keys of SFTP and GCS where the documents have them. */
export async function giveStoreKeys({root}: Machine): Promise<void> {
	mkdirSync(join(root, 'work/.ssh'), {mode: 0o700});
	await makeKey(join(root, 'work/.ssh/id_ed25519'), 'ed25519');
	const {privateKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
	const account = {
		type: 'service_account',
		client_email: 'pg-back@example.iam.gserviceaccount.com',
		private_key: privateKey.export({type: 'pkcs8', format: 'pem'}),
	};
	writeFileSync(join(root, 'etc/pg_back/gcs.json'), JSON.stringify(account), {mode: 0o600});
}

/** A new machine with its configuration, and the dumps of `profile` where the site has them. */
export function openMachine(
	{server, bucket, identity, recipient, dumps}: Omit<Site, 'close'>,
	profile: Profile,
): Machine {
	const root = scratchDirectory('machine');
	const backups = join(root, 'var/backups/postgresql');
	const made = ['etc/pg_back/servers.d', 'var/lib/prometheus/node-exporter', 'bin', 'work'];
	for (const directory of made) mkdirSync(join(root, directory), {recursive: true});
	for (const directory of [backups, join(root, 'restore'), join(root, 'mnt/nas/db1')])
		mkdirSync(directory, {recursive: true, mode: 0o700});
	if (dumps[profile] !== '') cpSync(dumps[profile], backups, {recursive: true, preserveTimestamps: true});
	const lines = [
		...[`host = ${server.socketDirectory}`, `port = ${server.port}`, 'user = postgres'],
		...[`backup_directory = ${backups}`, 'checksum_algorithm = sha256', 'upload = s3', `upload_prefix = ${profile}`],
		...s3Settings(bucket.url),
		...(profile === 'plain' ? [] : ['encrypt = yes', `cipher_public_key = ${recipient}`]),
		...(profile === 'directory' ? ['format = directory'] : []),
	];
	writeFileSync(join(root, 'etc/pg_back/pg_back.conf'), `${lines.join('\n')}\n`, {mode: 0o600});
	for (const name of ['db1', 'pay1'])
		writeFileSync(join(root, `etc/pg_back/servers.d/${name}.conf`), `upload_prefix = ${name}\n`, {mode: 0o600});
	writeFileSync(join(root, 'etc/pg_back/recipients.txt'), `${recipient}\n`, {mode: 0o600});
	writeFileSync(join(root, 'etc/pg_back/passphrase'), 'correct horse battery staple\n', {mode: 0o600});
	cpSync(identity, join(root, 'work/anna.txt'));
	return {
		root,
		backups,
		env: {
			...cleanEnvironment,
			HOME: join(root, 'work'),
			...{PGHOST: server.socketDirectory, PGPORT: String(server.port), PGUSER: 'postgres'},
			PATH: `${join(root, 'bin')}:${clientDirectory()}:${cleanEnvironment['PATH']}`,
		},
	};
}

/** Programs that the documents use and that are no part of this machine: each says what it stands for. */
const stands: Readonly<Record<string, string>> = {
	sudo: '[ "$1" = -u ] && shift 2; exec "$@"',
	systemctl: 'echo "no systemd here: systemctl $*"',
};

/** Runs lines of shell, stopped at the first error, in the machine's `work` directory. Paths of the documents are the machine's. */
export async function runScript(machine: Machine, script: string): Promise<Ran> {
	const {root, env} = machine;
	const bin = join(root, 'bin');
	const program = await programPath();
	const config = join(root, 'etc/pg_back/pg_back.conf');
	const commands = {...stands, pg_back: `exec '${process.execPath}' '${program}' -c '${config}' "$@"`};
	for (const [name, text] of Object.entries(commands)) {
		writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
		chmodSync(join(bin, name), 0o755);
	}
	for (const name of ['age', 'age-keygen']) {
		const found = findTool(name);
		rmSync(join(bin, name), {force: true});
		if (found !== undefined) symlinkSync(found, join(bin, name));
	}
	const child = spawn('bash', ['-e', '-c', script], {cwd: join(root, 'work'), env, stdio: ['ignore', 'pipe', 'pipe']});
	let output = '';
	for (const stream of [child.stdout, child.stderr])
		stream.setEncoding('utf8').on('data', (text: string) => (output += text));
	const [code] = (await once(child, 'close')) as [number | null];
	return {code, output};
}

/** The text of a block with the paths of the machine, and the times and ids of its runs. */
export function onMachine({root, backups}: Machine, text: string): string {
	const manifests = readdirSync(backups)
		.filter(name => name.endsWith('.manifest.json'))
		.sort();
	const times = manifests.map(name => /_(\d.*)\.manifest/.exec(name)?.[1] ?? '');
	const ids = manifests.map(name => (JSON.parse(readFileSync(join(backups, name), 'utf8')) as {runId: string}).runId);
	const fileOf = (start: string) => {
		const name = readdirSync(backups).findLast(one => one.startsWith(`${start}_2`)) ?? '';
		return /_(\d{4}-\d\d-\d\dT[\d:]+Z)/.exec(name)?.[1] ?? '';
	};
	return text
		.replaceAll(/(?<![\w.])\/(?=(?:etc\/pg_back|var\/backups|var\/lib|restore|mnt)\b)/g, `${root}/`)
		.replaceAll('/usr/bin/pg_back', 'pg_back')
		.replaceAll('app_2026-11-22T04:00:07Z', `app_${fileOf('app')}`)
		.replaceAll('pg_globals_2026-11-22T04:00:01Z', `pg_globals_${fileOf('pg_globals')}`)
		.replaceAll('2026-11-22*', `${(times.at(-1) ?? '').slice(0, 10)}*`)
		.replaceAll('2026-10-02', times[0] ?? '')
		.replaceAll('2026-10-03', times.at(-1) ?? '')
		.replaceAll('6f1c2a', ids[0] ?? '')
		.replaceAll('81d0be', ids.at(-1) ?? '')
		.replaceAll('RUN@', `${ids.at(-1) ?? ''}@`);
}
