/**
 * R15: twelve secrets, and the places in which they must never appear: command lines (read a hundred times per second),
 * logs, files.
 */
import {once} from 'node:events';
import {mkdirSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {type AddressInfo, createServer} from 'node:net';
import {join} from 'node:path';
import {startCluster} from '../../test/helpers/cluster.js';
import {newAgeKeys, scratchDirectory} from '../../test/helpers/program.js';
import {type Figure, startMarked} from './sweep.js';

const canary = (name: string) => `canary-${name}-${Math.random().toString(36).slice(2)}`;

/** Without `stores` all of them. */
export async function secretSweep(stores?: readonly string[]): Promise<Figure> {
	const server = await startCluster({name: 'secrets', auth: 'scram-sha-256'});
	const home = scratchDirectory('secrets');
	const key = await newAgeKeys();
	const secrets = {
		'database password': canary('pg'),
		passphrase: canary('pass'),
		'private key': key.identity,
		's3 secret': canary('s3'),
		'azure key': Buffer.from(canary('azure')).toString('base64'),
		'azure sas': `sv=2024-01-01&sig=${canary('sas')}`,
		'b2 key': canary('b2'),
		'sftp password': canary('sftp'),
		'aws variable': canary('aws'),
		'health url': canary('health'),
		'passphrase variable': canary('env'),
		'url password': canary('url'),
	};
	const violations: string[] = [];
	const seen = new Set<string>();
	const look = (where: string, text: string) => {
		for (const [name, secret] of Object.entries(secrets)) if (text.includes(secret)) seen.add(`${name}: in ${where}`);
	};
	await server.psql('postgres', `create role keeper superuser login password '${secrets['database password']}'`);
	await server.psql('postgres', `create role visitor superuser login password '${secrets['url password']}'`);
	const closed = `127.0.0.1:${await closedPort()}`;
	const uploads: Readonly<Record<string, string>> = {
		none: '',
		local: `local_directory = ${home}/store`,
		s3: `s3_bucket = b\ns3_key_id = id\ns3_secret = ${secrets['s3 secret']}\ns3_endpoint = ${closed}\ns3_tls = false\ns3_force_path = true`,
		azure: `azure_container = c\nazure_account = a\nazure_key = ${secrets['azure key']}\nazure_endpoint = http://${closed}`,
		'azure ': `azure_container = c\nazure_account = a\nazure_sas = ${secrets['azure sas']}\nazure_endpoint = http://${closed}`,
		b2: `b2_bucket = b\nb2_key_id = id\nb2_app_key = ${secrets['b2 key']}`,
		sftp: `sftp_host = 127.0.0.1\nsftp_port = ${closed.split(':')[1] ?? ''}\nsftp_user = u\nsftp_password = ${secrets['sftp password']}\nsftp_directory = /d`,
	};
	let looks = 0;
	try {
		mkdirSync(join(home, 'store'));
		for (const [index, [name, settings]] of Object.entries(uploads)
			.filter(([store]) => stores?.includes(store) ?? true)
			.entries()) {
			const directory = join(home, `backups${index}`);
			const temporary = join(home, `tmp${index}`);
			mkdirSync(temporary);
			const config = join(home, `pg_back${index}.conf`);
			const byUrl = index % 2 === 1;
			const dbname = byUrl
				? `dbname = postgresql://visitor:${secrets['url password']}@127.0.0.1:${server.port}/postgres\n`
				: `host = 127.0.0.1\nport = ${server.port}\nuser = keeper\ndbname = postgres\n`;
			const cipher = index % 3 === 2 ? '' : `cipher_pass = ${secrets.passphrase}\n`;
			const general = `backup_directory = ${directory}\nencrypt = true\ncipher_private_key = ${secrets['private key']}\ndump_only = true\nhealth_url = http://${closed}/${secrets['health url']}\nremote_retry = 1s\nremote_timeout = 2s\n`;
			writeFileSync(config, `${dbname}${general}${cipher}upload = ${name.trim()}\n${settings}\n`, {mode: 0o600});
			const env = {
				TMPDIR: temporary,
				PGPASSWORD: byUrl ? '' : secrets['database password'],
				PGBK_CIPHER_PASS: cipher === '' ? secrets['passphrase variable'] : '',
				AWS_SECRET_ACCESS_KEY: secrets['aws variable'],
			};
			for (const more of [['-v'], ['-v', '--log-format', 'json'], ['--check-config'], ['--list-remote', name.trim()]]) {
				if (more[0] === '--list-remote' && name === 'none') continue;
				const run = await startMarked(['-c', config, ...more], {env});
				const timer = setInterval(() => {
					looks++;
					for (const pid of readdirSync('/proc').filter(one => Number(one) >= run.pid))
						look(`the command line of a process (${name})`, readOrNothing(`/proc/${pid}/cmdline`));
				}, 10);
				const limit = setTimeout(() => run.child.kill('SIGTERM'), 60_000);
				const {stdout, stderr} = await run.ended;
				clearTimeout(limit);
				clearInterval(timer);
				look(`the output of ${more.join(' ')} (${name})`, stdout + stderr);
				if (name === 'none' && more[0] === '-v' && !/ done/.test(stderr + stdout) && !stdout.includes('"done"'))
					violations.push(`no dump was made: ${stderr}`);
			}
			// Configuration files may contain secrets; nothing that a run has created may, and no temporary files are left.
			for (const root of [directory, temporary, join(home, 'store')])
				for (const path of filesBelow(root)) look(path, readFileSync(path, 'latin1'));
			for (const path of filesBelow(temporary)) violations.push(`left in the temporary directory: ${path}`);
		}
	} finally {
		await server.stop();
	}
	return {
		goal: 'R15',
		what: 'secrets seen on command lines, in logs, manifests or files',
		total: Object.keys(secrets).length,
		violations: [...violations, ...seen],
		notes: {'looks at command lines': looks},
	};
}

/** Nothing listens there. */
async function closedPort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const {port} = server.address() as AddressInfo;
	server.close();
	await once(server, 'close');
	return port;
}

function readOrNothing(path: string): string {
	try {
		return readFileSync(path, 'latin1');
	} catch {
		return ''; // the process has exited
	}
}

function filesBelow(directory: string): string[] {
	try {
		return readdirSync(directory, {recursive: true, encoding: 'utf8'})
			.map(name => join(directory, name))
			.filter(path => statSync(path).isFile());
	} catch {
		return []; // never created
	}
}
