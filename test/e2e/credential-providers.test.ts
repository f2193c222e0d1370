/** Every provider of credentials loads from the built program, and asks through the proxy unless it is of the machine. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type ForwardProxy} from '../helpers/forward-proxy.js';
import {scratchDirectory} from '../helpers/program.js';
import {type S3Server, startS3Server, testCredential} from '../helpers/s3-server.js';
import {
	answering,
	authority,
	closeLater,
	closeServices,
	gcs,
	type HttpPlace,
	inTls,
	noImds,
	password,
	run,
	startPasswordProxy,
} from './http-services.js';
import {configFile, impatient, runWithin, s3Settings} from './remote-places.js';

let proxy: ForwardProxy;

before(async () => {
	proxy = await startPasswordProxy();
});
after(closeServices);

describe('every provider of credentials loads from the built program, and asks through the proxy unless it is of the machine', () => {
	let server: S3Server;
	let place: HttpPlace;
	const expiration = new Date(Date.now() + 3_600_000);
	before(async () => {
		server = await startS3Server({credentials: [{...testCredential, token: 'session'}]});
		closeLater(() => server.close());
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
