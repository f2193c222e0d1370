/** The built program with every HTTP store behind a private CA, with and without a proxy, from an empty environment, and with every provider of credentials. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {chownSync, mkdirSync, writeFileSync} from 'node:fs';
import {createServer as createHttpServer, type IncomingMessage, type ServerResponse} from 'node:http';
import {type AddressInfo, connect, type Server} from 'node:net';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {createServer as createTlsServer} from 'node:tls';
import {azuriteMissing, startAzurite} from '../helpers/azurite.js';
import {createAuthority} from '../helpers/certificates.js';
import {type ForwardProxy, startForwardProxy} from '../helpers/forward-proxy.js';
import {startGcsServer} from '../helpers/gcs-server.js';
import {type Ended, scratchDirectory} from '../helpers/program.js';
import {type S3Server, startS3Server, testCredential} from '../helpers/s3-server.js';
import {configFile, impatient, runWithin, s3Settings} from './remote-places.js';

const authority = createAuthority();
const localhost = authority.issue('localhost');
const password = 'open-sesame';
let proxy: ForwardProxy;
const closing: (() => unknown)[] = [];

before(async () => {
	proxy = await startForwardProxy({auth: `user:${password}`});
	closing.push(() => proxy.stop());
});
after(async () => {
	for (const close of closing.toReversed()) await close();
});

async function listen(server: Server): Promise<number> {
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	closing.push(() => server.close());
	return (server.address() as AddressInfo).port;
}

/** TLS with the private authority's certificate, before a server without. */
function inTls(port: number): Promise<number> {
	const server = createTlsServer({cert: localhost.cert, key: localhost.key}, client => {
		const upstream = connect({port, host: '127.0.0.1'});
		client.on('error', () => upstream.destroy()).pipe(upstream);
		upstream.on('error', () => client.destroy()).pipe(client);
	});
	server.on('tlsClientError', () => undefined);
	return listen(server);
}

/** A JSON service; what it was asked is in `asked`. */
async function answering(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void) {
	const asked: string[] = [];
	const server = createHttpServer((request, response) => {
		let body = '';
		request.on('data', (chunk: Buffer) => (body += chunk.toString()));
		request.on('end', () => {
			asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
			answer(request, response, body);
		});
	});
	return {asked, port: await listen(server)};
}

type HttpPlace = {readonly store: string; readonly settings: readonly string[]; readonly env: Record<string, string>};

async function s3(): Promise<HttpPlace & {readonly server: S3Server}> {
	const server = await startS3Server();
	closing.push(() => server.close());
	const port = await inTls(Number(new URL(server.url).port));
	return {store: 's3', server, settings: s3Settings(`https://127.0.0.1:${port}`), env: {}};
}

async function b2(): Promise<HttpPlace> {
	const {settings} = await s3();
	const url = settings.find(line => line.startsWith('s3_endpoint'))?.replace('s3_endpoint = ', '');
	const {port} = await answering((_, response) =>
		response.end(JSON.stringify({apiInfo: {storageApi: {s3ApiUrl: url}}})),
	);
	return {
		store: 'b2',
		settings: ['b2_bucket = bucket', `b2_key_id = ${testCredential.keyId}`, `b2_app_key = ${testCredential.secret}`],
		env: {B2_ENVIRONMENT: `https://127.0.0.1:${await inTls(port)}`},
	};
}

/** With a federated identity: a token is fetched first, from a service behind the same authority. */
async function gcs(): Promise<HttpPlace> {
	const server = await startGcsServer('suite');
	closing.push(() => server.stop());
	const port = await inTls(Number(new URL(server.url).port));
	Object.assign(server, {url: `https://127.0.0.1:${port}`, token: 'the-token'});
	const tokens = await answering((_, response) => {
		response.setHeader('content-type', 'application/json');
		response.end(JSON.stringify({access_token: 'the-token', expires_in: 3600, token_type: 'Bearer'}));
	});
	const home = scratchDirectory('key');
	const keyfile = join(home, 'key.json');
	writeFileSync(join(home, 'subject'), 'the.subject.token', {mode: 0o644});
	const key = {
		type: 'external_account',
		audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
		subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
		token_url: `https://127.0.0.1:${await inTls(tokens.port)}/token`,
		credential_source: {file: join(home, 'subject')},
	};
	writeFileSync(keyfile, JSON.stringify(key), {mode: 0o644});
	return {
		store: 'gcs',
		settings: ['gcs_bucket = suite', `gcs_endpoint = https://127.0.0.1:${port}`, `gcs_keyfile = ${keyfile}`],
		env: {},
	};
}

async function azure(): Promise<HttpPlace> {
	const azurite = await startAzurite();
	closing.push(() => azurite.stop());
	await azurite.service.getContainerClient('backups').create();
	const url = `https://127.0.0.1:${await inTls(azurite.port)}/${azurite.account}`;
	return {
		store: 'azure',
		settings: ['azure_container = backups', `azure_endpoint = ${url}`],
		env: {AZURE_STORAGE_ACCOUNT: azurite.account, AZURE_STORAGE_KEY: azurite.key},
	};
}

const kinds = [
	{name: 's3', start: s3},
	{name: 'b2', start: b2},
	{name: 'gcs', start: gcs},
	{name: 'azure', start: azure, missing: azuriteMissing},
] as const;

const noImds = {AWS_EC2_METADATA_DISABLED: 'true'};

type Settings = {
	readonly env?: Record<string, string>;
	readonly lines?: readonly string[];
	readonly args?: readonly string[];
};

function run(place: HttpPlace, {env = {}, lines = [], args}: Settings = {}): Promise<Ended> {
	const conf = configFile([...impatient, ...place.settings, `upload = ${place.store}`, ...lines]);
	const list = ['-b', scratchDirectory('b'), ...(args ?? ['--list-remote', place.store])];
	return runWithin(['-c', conf, ...list], {env: {...noImds, ...place.env, ...env}});
}

for (const {name, start, ...rest} of kinds) {
	const skip = 'missing' in rest && rest.missing !== undefined ? rest.missing : false;
	describe(`${name} behind a private authority`, {skip}, () => {
		let place: HttpPlace;
		before(async () => {
			place = await start();
		});

		test('is refused in words, once, while the authority is unknown', async () => {
			const {code, stderr} = await run(place);
			assert.equal(code, 14, stderr);
			assert.match(stderr, /FATAL: .*its certificate is signed by an unknown authority \(Test Root\)/);
			assert.match(stderr, /HINT: add the certificate of the authority to ca_file/);
			assert.doesNotMatch(stderr, /trying again|credential|SSL routines/);
		});

		test('is reached with ca_file, and with the variables of the environment', async () => {
			const ways: readonly Settings[] = [
				{lines: [`ca_file = ${authority.file}`]},
				{env: {AWS_CA_BUNDLE: authority.file}},
				{env: {SSL_CERT_FILE: authority.file}},
				{env: {NODE_EXTRA_CA_CERTS: authority.file}},
			];
			for (const settings of ways) {
				const {code, stderr} = await run(place, settings);
				assert.equal(code, 0, `${JSON.stringify(settings)}\n${stderr}`);
			}
		});

		test('is reached through a proxy, which is named without its password', async () => {
			const before = proxy.requests.length;
			const {code, stdout, stderr} = await run(place, {
				lines: [`ca_file = ${authority.file}`],
				env: {HTTPS_PROXY: `http://user:${password}@127.0.0.1:${proxy.port}`},
				args: ['-h', '/nowhere', '--check-config=connect'],
			});
			assert.equal(code, 12, stderr);
			assert.match(
				stderr,
				new RegExp(
					`written, read, listed and purged through the proxy http://127.0.0.1:${proxy.port}, trusting the certificates of .*\\(ca_file\\)`,
					'm',
				),
			);
			const asked = proxy.requests.slice(before);
			assert.ok(asked.length > 0 && asked.every(line => /^CONNECT 127\.0\.0\.1:\d+$/.test(line)), asked.join('\n'));
			assert.doesNotMatch(stdout + stderr, new RegExp(password));
		});

		test('is reached without the proxy that NO_PROXY excludes', async () => {
			const before = proxy.requests.length;
			const env = {https_proxy: `http://127.0.0.1:${proxy.port}`, NO_PROXY: '127.0.0.1'};
			const {code, stderr} = await run(place, {lines: [`ca_file = ${authority.file}`], env});
			assert.equal(code, 0, stderr);
			assert.equal(proxy.requests.length, before);
		});

		test('a proxy that refuses is the error, without its password', async () => {
			const env = {HTTPS_PROXY: `http://user:wrong-${password}@127.0.0.1:${proxy.port}`};
			const {code, stderr} = await run(place, {lines: [`ca_file = ${authority.file}`], env});
			assert.equal(code, 14, stderr);
			assert.match(
				stderr,
				new RegExp(`the proxy http://127.0.0.1:${proxy.port} refused a connection to 127.0.0.1:\\d+: 407`),
			);
			assert.doesNotMatch(stderr, new RegExp(password));
		});

		test('is reached by an ordinary user from an empty environment', async () => {
			const conf = configFile([
				...impatient,
				...place.settings,
				`upload = ${place.store}`,
				`ca_file = ${authority.file}`,
				...(name === 'azure'
					? [`azure_key = ${place.env['AZURE_STORAGE_KEY'] ?? ''}`, 'azure_account = devstoreaccount1']
					: []),
			]);
			const isRoot = process.getuid?.() === 0;
			if (isRoot) chownSync(conf, 65_534, 65_534);
			const user = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
			const assignments = Object.entries({...place.env}).filter(([variable]) => variable.startsWith('B2_'));
			const clean = ['env', '-i', ...assignments.map(pair => pair.join('='))];
			const {code, stderr} = await runWithin(['-c', conf, '--list-remote', place.store], {
				wrapper: [...user, ...clean],
				cwd: '/',
			});
			assert.equal(code, 0, stderr);
		});
	});
}

test('a certificate file that is missing is an error of the configuration', async () => {
	const place: HttpPlace = {store: 's3', settings: s3Settings('https://127.0.0.1:1'), env: {}};
	const file = await run(place, {lines: ['ca_file = /nowhere/ca.pem']});
	assert.equal(file.code, 10, file.stderr);
	assert.match(file.stderr, /pg_back\.conf:\d+: ca_file: could not read \/nowhere\/ca\.pem/);
	const variable = await run(place, {env: {AWS_CA_BUNDLE: '/nowhere/ca.pem'}});
	assert.equal(variable.code, 10, variable.stderr);
	assert.match(variable.stderr, /could not read \/nowhere\/ca\.pem \(AWS_CA_BUNDLE\): no such file/);
});

describe('every provider of credentials loads from the built program, and asks through the proxy unless it is of the machine', () => {
	let server: S3Server;
	let place: HttpPlace;
	const expiration = new Date(Date.now() + 3_600_000);
	before(async () => {
		server = await startS3Server({credentials: [{...testCredential, token: 'session'}]});
		closing.push(() => server.close());
		place = {store: 's3', settings: s3Settings(server.url).filter(line => !/^s3_(key_id|secret)/.test(line)), env: {}};
	});

	async function list(
		env: Record<string, string>,
		home = scratchDirectory('home'),
		lines: readonly string[] = [],
	): Promise<readonly string[]> {
		const from = proxy.requests.length;
		const through = {HTTP_PROXY: `http://user:${password}@127.0.0.1:${proxy.port}`};
		const {code, stderr} = await runWithin(
			['-c', configFile([...impatient, ...place.settings, 'upload = s3', ...lines]), '--list-remote', 's3'],
			{env: {HOME: home, ...through, ...env}},
		);
		assert.equal(code, 0, stderr);
		return proxy.requests.slice(from);
	}

	test('SSO', async () => {
		const start = 'https://start.example/start';
		const portal = await answering((_, response) =>
			response.end(
				JSON.stringify({
					roleCredentials: {
						accessKeyId: testCredential.keyId,
						secretAccessKey: testCredential.secret,
						sessionToken: 'session',
						expiration: expiration.getTime(),
					},
				}),
			),
		);
		const home = scratchDirectory('home');
		mkdirSync(join(home, '.aws/sso/cache'), {recursive: true});
		const sso = [
			`sso_start_url = ${start}`,
			'sso_region = us-east-1',
			'sso_account_id = 123456789012',
			'sso_role_name = backup',
		];
		writeFileSync(join(home, '.aws/config'), `[default]\nregion = us-east-1\n${sso.join('\n')}\n`);
		const token = {startUrl: start, region: 'us-east-1', accessToken: 'token', expiresAt: expiration.toISOString()};
		writeFileSync(
			join(home, `.aws/sso/cache/${createHash('sha1').update(start).digest('hex')}.json`),
			JSON.stringify(token),
		);
		const url = `http://127.0.0.1:${portal.port}`;
		const asked = await list({...noImds, AWS_ENDPOINT_URL_SSO: url}, home);
		assert.ok(
			asked.some(line => line.startsWith(`GET ${url}/federation/credentials`)),
			asked.join('\n'),
		);
	});

	test('web identity', async () => {
		const sts = await answering((_, response) =>
			response
				.writeHead(200, {'content-type': 'text/xml'})
				.end(
					`<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${testCredential.keyId}</AccessKeyId><SecretAccessKey>${testCredential.secret}</SecretAccessKey><SessionToken>session</SessionToken><Expiration>${expiration.toISOString()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
				),
		);
		const token = join(scratchDirectory('home'), 'token');
		writeFileSync(token, 'the.web.token');
		const url = `http://127.0.0.1:${sts.port}`;
		const asked = await list({
			...noImds,
			AWS_REGION: 'us-east-1',
			AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/backup',
			AWS_WEB_IDENTITY_TOKEN_FILE: token,
			AWS_ENDPOINT_URL_STS: url,
		});
		assert.ok(asked.includes(`POST ${url}/`) || asked.some(line => line.startsWith(`POST ${url}`)), asked.join('\n'));
	});

	test('a credential process', async () => {
		const home = scratchDirectory('home');
		mkdirSync(join(home, '.aws'));
		const answer = {
			...{Version: 1, AccessKeyId: testCredential.keyId, SecretAccessKey: testCredential.secret},
			...{SessionToken: 'session', Expiration: expiration.toISOString()},
		};
		writeFileSync(join(home, 'answer'), JSON.stringify(answer));
		writeFileSync(
			join(home, '.aws/config'),
			`[default]\nregion = us-east-1\ncredential_process = /bin/cat ${home}/answer\n`,
		);
		assert.ok((await list(noImds, home)).length > 0);
	});

	const credentials = {
		...{Code: 'Success', AccessKeyId: testCredential.keyId, SecretAccessKey: testCredential.secret},
		...{Token: 'session', Expiration: expiration.toISOString(), RoleArn: 'r'},
	};

	test('a container, without the proxy', async () => {
		const agent = await answering((_, response) => response.end(JSON.stringify(credentials)));
		const asked = await list({AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${agent.port}/creds`});
		assert.deepEqual(agent.asked, ['GET /creds']);
		assert.ok(!asked.some(line => line.includes(`:${agent.port}/`)), asked.join('\n'));
	});

	test('a container over https, with a certificate of the configured authority', async () => {
		const agent = await answering((_, response) => response.end(JSON.stringify(credentials)));
		const port = await inTls(agent.port);
		await list({AWS_CONTAINER_CREDENTIALS_FULL_URI: `https://127.0.0.1:${port}/creds`}, undefined, [
			`ca_file = ${authority.file}`,
		]);
		assert.deepEqual(agent.asked, ['GET /creds']);
	});

	test('the metadata service of a machine, without the proxy', async () => {
		const imds = await answering((request, response) => {
			if (request.method === 'PUT') return void response.end('token');
			response.end(request.url?.endsWith('/backup') ? JSON.stringify(credentials) : 'backup');
		});
		const asked = await list({AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${imds.port}`});
		assert.ok(
			imds.asked.some(line => line.endsWith('/backup')),
			imds.asked.join('\n'),
		);
		assert.ok(!asked.some(line => line.includes(`:${imds.port}/`)), asked.join('\n'));
	});

	test('the metadata service of Google, without the proxy', async () => {
		const {settings} = await gcs();
		const metadata = await answering((request, response) => {
			response.setHeader('Metadata-Flavor', 'Google');
			if (!request.url?.includes('/token')) return void response.writeHead(404).end();
			response.setHeader('content-type', 'application/json');
			response.end(JSON.stringify({access_token: 'the-token', expires_in: 3600, token_type: 'Bearer'}));
		});
		const from = proxy.requests.length;
		const {code, stderr} = await run(
			{store: 'gcs', settings: settings.filter(line => !line.startsWith('gcs_keyfile')), env: {}},
			{
				lines: [`ca_file = ${authority.file}`],
				env: {
					ALL_PROXY: `http://user:${password}@127.0.0.1:${proxy.port}`,
					GCE_METADATA_HOST: `127.0.0.1:${metadata.port}`,
					METADATA_SERVER_DETECTION: 'assume-present',
				},
			},
		);
		assert.equal(code, 0, stderr);
		assert.ok(
			metadata.asked.some(line => line.includes('/token')),
			metadata.asked.join('\n'),
		);
		const asked = proxy.requests.slice(from);
		assert.ok(asked.length > 0 && !asked.some(line => line.includes(String(metadata.port))), asked.join('\n'));
	});
});
