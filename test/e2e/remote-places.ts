/** Places to ship to, each on a real server (or our own stand-in), for the whole program: how it is told of them, and what is there. */
import {existsSync, mkdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {azuriteMissing, startAzurite} from '../helpers/azurite.js';
import type {Cluster} from '../helpers/cluster.js';
import {type FaultProxy, startFaultProxy} from '../helpers/fault-proxy.js';
import {connectTo, type Ended, filesIn, type RunOptions, scratchDirectory, startProgram} from '../helpers/program.js';
import {type S3Server, type S3ServerOptions, startS3Server, testCredential} from '../helpers/s3-server.js';
import {sshdMissing, startSshd} from '../helpers/sshd.js';
import {gcsPlaceOf} from './lying-places.js';

export type Place = {
	readonly store: 's3' | 'b2' | 'sftp' | 'gcs' | 'azure' | 'local';
	/** Lines of a configuration file, secrets and all. */
	readonly settings: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Where its server listens, if it is one. */
	readonly port?: number;
	/** Makes a server that names itself in its answers name this port. */
	readonly behind?: (port: number) => void;
	/** What the program calls it. */
	readonly location: string;
	/** Every key that can be seen, sorted. */
	readonly keys: () => Promise<string[]>;
	readonly read: (key: string) => Promise<Buffer>;
	/** Replaces the bytes of an object and nothing else of it, where that is possible. */
	readonly replace: (key: string, bytes: Buffer) => Promise<void>;
	readonly stop: () => Promise<void>;
};

export type PlaceKind = {
	readonly store: Place['store'];
	readonly missing?: string | undefined;
	readonly start: () => Promise<Place>;
};

export const placeKinds: readonly PlaceKind[] = [
	{store: 's3', start: async () => s3Place(await startS3Server())},
	{store: 'b2', start: b2Place},
	{store: 'sftp', missing: sshdMissing, start: sftpPlace},
	{store: 'gcs', start: async () => (await gcsPlaceOf()).place},
	{store: 'azure', missing: azuriteMissing, start: azurePlace},
	{store: 'local', start: () => Promise.resolve(localPlace())},
];

/** A proxy before the server of `place`, and how the program is told to go through it. The caller closes the proxy. */
export async function behindProxy(
	place: Place,
): Promise<{readonly proxy: FaultProxy} & Pick<Place, 'settings' | 'env'>> {
	const port = place.port ?? 0;
	const proxy = await startFaultProxy({port});
	place.behind?.(proxy.port);
	const through = (text: string) => text.replace(String(port), String(proxy.port));
	return {
		proxy,
		// The proxy has no host key of its own.
		settings: [...place.settings.map(through), ...(place.store === 'sftp' ? ['sftp_ignore_hostkey = yes'] : [])],
		env: Object.fromEntries(Object.entries(place.env).map(([name, value]) => [name, through(value)])),
	};
}

/** A configuration file of these lines. */
export function configFile(lines: readonly string[]): string {
	const path = join(scratchDirectory('conf'), 'pg_back.conf');
	writeFileSync(path, `${lines.join('\n')}\n`, {mode: 0o600});
	return path;
}

export type ConfiguredOptions = {
	readonly env?: Readonly<Record<string, string>>;
	readonly directory?: string;
	readonly wrapper?: readonly string[];
};

/** The program with a configuration file of these lines, quick to give up. */
export function runConfigured(
	cluster: Cluster,
	lines: readonly string[],
	args: readonly string[],
	options: ConfiguredOptions = {},
): Promise<Ended> {
	const [, ...connection] = connectTo(cluster, options.directory ?? scratchDirectory('configured'));
	return runWithin(['-c', configFile([...impatient, ...lines]), ...connection, ...args], options);
}

export function s3Settings(url: string): string[] {
	return [
		's3_bucket = bucket',
		's3_region = us-east-1',
		`s3_key_id = ${testCredential.keyId}`,
		`s3_secret = ${testCredential.secret}`,
		`s3_endpoint = ${url}`,
		's3_force_path = true',
	];
}

/**
 * Gives up some seconds after the first failure. A healthy server answers in time also on a machine under load: tests of
 * servers that hang have settings of their own.
 */
export const impatient: readonly string[] = ['remote_timeout = 20', 'remote_retry = 8'];

export function s3Place(server: S3Server): Place & {readonly server: S3Server} {
	const {objects} = server;
	return {
		store: 's3',
		server,
		settings: s3Settings(server.url),
		env: {},
		location: 's3://bucket/',
		keys: () => Promise.resolve([...objects.keys()].sort()),
		read: key => Promise.resolve(objects.get(key)?.bytes ?? Buffer.alloc(0)),
		replace(key, bytes) {
			const held = objects.get(key);
			if (held) objects.set(key, {...held, bytes, size: bytes.length, crc32: undefined});
			return Promise.resolve();
		},
		stop: () => server.close(),
	};
}

export async function startS3Place(options: S3ServerOptions = {}): Promise<ReturnType<typeof s3Place>> {
	return s3Place(await startS3Server(options));
}

/** Backblaze's own question for the endpoint, and an S3 that knows as little as theirs. */
async function b2Place(): Promise<Place> {
	const s3 = await startS3Place({lacks: ['checksums', 'conditions']});
	const expected = `Basic ${Buffer.from(`${testCredential.keyId}:${testCredential.secret}`).toString('base64')}`;
	const authority: Server = createServer((request, response) => {
		const right = request.headers.authorization === expected;
		response.writeHead(right ? 200 : 401, {'content-type': 'application/json'});
		response.end(
			JSON.stringify(
				right
					? {apiInfo: {storageApi: {s3ApiUrl: s3.server.url}}}
					: {code: 'bad_auth_token', message: 'Invalid authorization', status: 401},
			),
		);
	});
	await new Promise<void>(resolve => authority.listen(0, '127.0.0.1', resolve));
	const {port} = authority.address() as AddressInfo;
	return {
		...s3,
		store: 'b2',
		settings: ['b2_bucket = bucket', `b2_key_id = ${testCredential.keyId}`, `b2_app_key = ${testCredential.secret}`],
		env: {B2_ENVIRONMENT: `http://127.0.0.1:${port}`},
		location: 'b2://bucket/',
		async stop() {
			authority.close();
			await s3.stop();
		},
	};
}

async function sftpPlace(): Promise<Place> {
	const sshd = await startSshd();
	const home = scratchDirectory('home');
	mkdirSync(join(home, '.ssh'), {mode: 0o700});
	writeFileSync(join(home, '.ssh/known_hosts'), readFileSync(sshd.knownHosts));
	return {
		store: 'sftp',
		port: sshd.port,
		settings: [
			`sftp_host = ${sshd.host}`,
			`sftp_port = ${sshd.port}`,
			`sftp_user = ${sshd.user}`,
			`sftp_identity = ${sshd.clientKey}`,
			'sftp_directory = backups',
		],
		env: {HOME: home},
		location: `sftp://${sshd.user}@${sshd.host}:${sshd.port}/backups/`,
		keys: () => Promise.resolve(directoryKeys(join(sshd.home, 'backups'))),
		read: key => Promise.resolve(readFileSync(join(sshd.home, 'backups', key))),
		replace(key, bytes) {
			mkdirSync(join(sshd.home, 'backups'), {recursive: true});
			return Promise.resolve(writeFileSync(join(sshd.home, 'backups', key), bytes));
		},
		stop: () => sshd.stop(),
	};
}

async function azurePlace(): Promise<Place> {
	const azurite = await startAzurite();
	const container = azurite.service.getContainerClient('backups');
	await container.create();
	return {
		store: 'azure',
		port: azurite.port,
		settings: ['azure_container = backups', `azure_endpoint = ${azurite.url}`],
		env: {AZURE_STORAGE_ACCOUNT: azurite.account, AZURE_STORAGE_KEY: azurite.key},
		location: 'azure://devstoreaccount1/backups/',
		async keys() {
			const keys: string[] = [];
			for await (const blob of container.listBlobsFlat()) keys.push(blob.name);
			return keys.sort();
		},
		read: key => container.getBlobClient(key).downloadToBuffer(),
		async replace(key, bytes) {
			const blob = container.getBlockBlobClient(key);
			const {metadata} = await blob.getProperties();
			await blob.upload(bytes, bytes.length, {...(metadata && {metadata})});
		},
		stop: () => azurite.stop(),
	};
}

function localPlace(): Place {
	const directory = scratchDirectory('nas');
	return {
		store: 'local',
		settings: [`local_directory = ${directory}`],
		env: {},
		location: `${directory}/`,
		keys: () => Promise.resolve(directoryKeys(directory)),
		read: key => Promise.resolve(readFileSync(join(directory, key))),
		replace: (key, bytes) => Promise.resolve(writeFileSync(join(directory, key), bytes)),
		stop: () => Promise.resolve(),
	};
}

function directoryKeys(directory: string): string[] {
	if (!existsSync(directory)) return [];
	return regularFiles(directory);
}

/** Every regular file below a directory, relative, sorted, hidden ones and manifests too. */
export function regularFiles(directory: string): string[] {
	return filesIn(directory, {manifests: true}).filter(name => statSync(join(directory, name)).isFile());
}

/** Runs the program to its end; one that takes longer than two minutes is killed, and what it said is the error. */
export async function runWithin(args: readonly string[], options: RunOptions = {}, seconds = 120): Promise<Ended> {
	const running = await startProgram(args, options);
	const killer = new AbortController();
	const timer = setTimeout(() => {
		killer.abort();
		running.child.kill('SIGKILL');
	}, seconds * 1000);
	const ended = await running.ended;
	clearTimeout(timer);
	if (killer.signal.aborted) throw new Error(`it did not end within ${seconds} s: ${args.join(' ')}\n${ended.stderr}`);
	return ended;
}
