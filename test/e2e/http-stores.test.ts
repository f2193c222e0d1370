/** The built program with every HTTP store behind a private CA, with and without a proxy, and from an empty environment. */
import assert from 'node:assert/strict';
import {chownSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {azuriteMissing, startAzurite} from '../helpers/azurite.js';
import {type ForwardProxy} from '../helpers/forward-proxy.js';
import {type S3Server, startS3Server, testCredential} from '../helpers/s3-server.js';
import {
	answering,
	authority,
	closeLater,
	closeServices,
	gcs,
	type HttpPlace,
	inTls,
	password,
	run,
	type Settings,
	startPasswordProxy,
} from './http-services.js';
import {configFile, impatient, runWithin, s3Settings} from './remote-places.js';

let proxy: ForwardProxy;

before(async () => {
	proxy = await startPasswordProxy();
});
after(closeServices);

async function s3(): Promise<HttpPlace & {readonly server: S3Server}> {
	const server = await startS3Server();
	closeLater(() => server.close());
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

async function azure(): Promise<HttpPlace> {
	const azurite = await startAzurite();
	closeLater(() => azurite.stop());
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
			const careless = await run(place, {env: {NODE_TLS_REJECT_UNAUTHORIZED: '0'}});
			assert.equal(careless.code, 14, careless.stderr);
			assert.match(careless.stderr, /FATAL: .*its certificate is signed by an unknown authority/);
			assert.doesNotMatch(careless.stderr, /Warning/);
		});

		test('a proxy that cannot be used is an error of the configuration, at once', async () => {
			for (const url of ['socks5://user:open-sesame@127.0.0.1:1', 'http://user:open-sesame@:::']) {
				const {code, stderr} = await run(place, {env: {HTTPS_PROXY: url}});
				assert.equal(code, 10, stderr);
				assert.match(stderr, /FATAL: HTTPS_PROXY (has an unsupported proxy scheme|is not a proxy URL)/);
				assert.doesNotMatch(stderr, /trying again|open-sesame/);
			}
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
