/** Real TLS servers with certificates of every kind: what is trusted, and in which words the rest is refused. */
import assert from 'node:assert/strict';
import dns from 'node:dns';
import {writeFileSync} from 'node:fs';
import {createServer as createHttpServer} from 'node:http';
import {createServer, type ServerOptions} from 'node:https';
import {type AddressInfo, connect, createServer as createTcpServer, type Server} from 'node:net';
import {join} from 'node:path';
import {after, describe, mock, test} from 'node:test';
import {createHttp, HttpConfigError} from '../../../source/lib/http/http.js';
import {isPermanentError, networkFault} from '../../../source/storage/errors.js';
import {createAuthority, type Issued, type IssueOptions} from '../../helpers/certificates.js';
import {scratchDirectory} from '../../helpers/program.js';

const authority = createAuthority();
const other = createAuthority('Other Root');
const good = authority.issue('localhost');
const servers: Server[] = [];
// A minimal system has no /etc/hosts, and cannot resolve its own name.
const {lookup} = dns;
mock.method(dns, 'lookup', (_host: string, ...rest: [dns.LookupOptions, () => void]) => lookup('127.0.0.1', ...rest));
after(() => {
	for (const server of servers) server.close();
});

async function listen(server: Server): Promise<number> {
	servers.push(server);
	server.on('tlsClientError', () => undefined);
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	return (server.address() as AddressInfo).port;
}

const serve = ({cert, key}: Issued, options: ServerOptions = {}) =>
	listen(createServer({cert, key, ...options}, (_, response) => response.end('it is here')));

/** The error of a request, or nothing when there was an answer. */
async function errorOf(port: number, settings: {env?: Record<string, string>; caFile?: string}): Promise<unknown> {
	const http = createHttp({env: {}, ...settings});
	try {
		assert.equal(await (await http.fetch(`https://localhost:${port}/`)).text(), 'it is here');
		return undefined;
	} catch (error) {
		if (error instanceof assert.AssertionError) throw error;
		return error;
	} finally {
		http.close();
	}
}

/** A certificate of an intermediate authority, which the server sends too. */
function chained(options: IssueOptions): Issued {
	const between = authority.intermediate('Between', options);
	const own = between.issue('localhost');
	return {...own, cert: own.cert + between.self.cert};
}

const weak = {ciphers: 'DEFAULT@SECLEVEL=0'};
const refused: readonly (readonly [string, () => Promise<number>, RegExp])[] = [
	[
		'expired',
		() => serve(authority.issue('localhost', {to: '20240131000000Z'})),
		/^its certificate expired on 2024-01-31$/,
	],
	[
		'not yet valid',
		() => serve(authority.issue('localhost', {from: '20980131000000Z'})),
		/^its certificate is not valid before 2098-01-31$/,
	],
	[
		'another host',
		() => serve(authority.issue('x', {names: 'DNS:db.example'})),
		/^its certificate is not for this host name \(localhost\) but for db\.example$/,
	],
	['self-signed', () => serve(other.self), /^its certificate is self-signed$/],
	[
		'unknown authority',
		() => serve(other.issue('localhost')),
		/^its certificate is signed by an unknown authority \(Other Root\)$/,
	],
	[
		'incomplete chain',
		() => serve(authority.intermediate('Sub').issue('localhost')),
		/^its certificate is signed by an unknown authority \(Sub\)$/,
	],
	[
		'SHA-1',
		() => serve(authority.issue('localhost', {digest: 'sha1'}), weak),
		/^its certificate is signed with SHA-1$/,
	],
	[
		'RSA of 1024 bits',
		() => serve(authority.issue('localhost', {bits: 1024}), weak),
		/^its certificate has a weak key \(1024 bits\)$/,
	],
	[
		'an authority with RSA of 1024 bits',
		() => serve(chained({bits: 1024}), weak),
		/^an authority of its certificate has a weak key$/,
	],
	[
		'an authority signed with SHA-1',
		() => serve(chained({digest: 'sha1'}), weak),
		/^an authority of its certificate is signed with a weak algorithm such as SHA-1$/,
	],
	[
		'TLS 1.1 only',
		() => serve(good, {...weak, minVersion: 'TLSv1', maxVersion: 'TLSv1.1'}),
		/^it supports only TLS versions older than 1\.2$/,
	],
	[
		'no TLS',
		() => listen(createHttpServer((_, response) => response.end())),
		/^it does not use TLS \(is it http:\/\/\?\)$/,
	],
	['client certificate', () => serve(good, {requestCert: true}), /requires a client certificate/],
	[
		'client certificate, TLS 1.2',
		() => serve(good, {requestCert: true, maxVersion: 'TLSv1.2'}),
		/requires a client certificate/,
	],
];

describe('a certificate or server that is refused is a permanent error in words', () => {
	for (const [what, start, reason] of refused) {
		test(what, async () => {
			const error = await errorOf(await start(), {caFile: authority.file});
			const fault = networkFault(error) ?? assert.fail(String(error));
			assert.equal(fault.fault, 'invalid');
			assert.match(fault.reason, reason);
			assert.doesNotMatch(`${fault.reason} ${fault.hint ?? ''}`, /credential|SSL routines|openssl/i);
			assert.ok((fault.hint ?? '').length > 10);
		});
	}
});

test('a fault of the transport under TLS is tried again', () => {
	const faults = [
		'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
		'ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC',
		'ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR',
		'EPROTO',
		'ECONNRESET',
	];
	for (const code of faults) {
		const error = Object.assign(new Error(`write ${code}`), {code, syscall: 'write'});
		assert.equal(networkFault(error)?.fault, 'network', code);
		assert.ok(!isPermanentError(error), code);
	}
});

test('a bit that is flipped on the way in an established connection is a fault of the network', async () => {
	const port = await serve(good);
	// Relays to the server, and damages what the client gets after the handshake.
	const relay = createTcpServer(client => {
		const upstream = connect({port, host: '127.0.0.1'});
		let records = 0;
		client.on('error', () => upstream.destroy()).pipe(upstream);
		upstream
			.on('error', () => client.destroy())
			.on('data', (chunk: Buffer) => {
				const last = chunk.length - 1;
				if (records++ > 0) chunk[last] = (chunk[last] ?? 0) ^ 1;
				client.write(chunk);
			});
	});
	const fault = networkFault(await errorOf(await listen(relay), {caFile: authority.file}));
	assert.equal(fault?.fault, 'network', fault?.reason);
	assert.match(fault.reason, /TLS connection broke \(.*bad record mac\)/);
});

test('a proxy that never answers ends with the clients; what is not HTTP ends at once', {timeout: 20_000}, async () => {
	const silent = await listen(createTcpServer(socket => socket.resume().on('error', () => undefined)));
	const chatty = await listen(createTcpServer(socket => socket.on('error', () => undefined).write('SSH-2.0-x\r\n')));
	const through = (port: number) =>
		createHttp({env: {https_proxy: `http://u:open-sesame@127.0.0.1:${port}`}, connectTimeout: 120_000});
	const http = through(silent);
	const waiting = http.fetch('https://svc.example/');
	const ended = assert.rejects(waiting, /the proxy http:\/\/127\.0\.0\.1:\d+ refused a connection to svc\.example:443/);
	await new Promise(resolve => setImmediate(resolve));
	http.close();
	await ended;
	const other = through(chatty);
	await assert.rejects(other.fetch('https://svc.example/'), /its response is not HTTP/);
	other.close();
});

describe('what is trusted', () => {
	const ways: readonly (readonly [string, () => {env?: Record<string, string>; caFile?: string}])[] = [
		['ca_file', () => ({caFile: authority.file})],
		['AWS_CA_BUNDLE', () => ({env: {AWS_CA_BUNDLE: authority.file}})],
		['SSL_CERT_FILE', () => ({env: {SSL_CERT_FILE: authority.file}})],
		['NODE_EXTRA_CA_CERTS', () => ({env: {NODE_EXTRA_CA_CERTS: authority.file}})],
		['SSL_CERT_DIR', () => ({env: {SSL_CERT_DIR: `/nowhere:${join(authority.file, '..')}`}})],
		["the server's own certificate", () => ({caFile: good.certFile})],
	];
	for (const [what, settings] of ways) {
		test(what, async () => {
			const port = await serve(good);
			assert.equal(await errorOf(port, settings()), undefined);
		});
	}

	test('a self-signed certificate that is named', async () => {
		assert.equal(await errorOf(await serve(other.self), {caFile: other.file}), undefined);
	});

	test('a named file that cannot be read or holds no certificate is an error at once', () => {
		const empty = join(scratchDirectory('ca'), 'empty.pem');
		writeFileSync(empty, '-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n');
		for (const [file, why] of [
			['/nowhere/ca.pem', /no such file/],
			['/etc', /it is a directory/],
			[empty, /contains no certificate/],
		] as const) {
			const refuses = (settings: {env?: Record<string, string>; caFile?: string}) =>
				assert.throws(
					() => createHttp({env: {}, ...settings}),
					(error: unknown) =>
						error instanceof HttpConfigError && why.test(error.message) && error.message.includes(file),
				);
			refuses({caFile: file});
			for (const name of ['AWS_CA_BUNDLE', 'SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS']) refuses({env: {[name]: file}});
		}
		assert.throws(() => createHttp({env: {SSL_CERT_DIR: '/nowhere'}}), /SSL_CERT_DIR/);
	});
});
