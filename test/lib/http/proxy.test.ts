/** Which proxy a connection goes through, and which hosts NO_PROXY excludes. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {isExcluded} from '../../../source/lib/http/no-proxy.js';
import {createProxyChoice} from '../../../source/lib/http/proxy.js';

const chosen = (env: Record<string, string>, url: string): string | undefined => {
	const {protocol, hostname, port} = new URL(url);
	return createProxyChoice(env)(
		protocol as 'http:' | 'https:',
		hostname,
		Number(port) || (protocol === 'http:' ? 80 : 443),
	)?.shown;
};

test('the variables in both cases, lower case first; ALL_PROXY for what has none; an empty one is none', () => {
	const cases: readonly (readonly [Record<string, string>, string, string | undefined])[] = [
		[{HTTPS_PROXY: 'http://p:1'}, 'https://h/', 'http://p:1'],
		[{HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:2'}, 'https://h/', 'http://q:2'],
		[{HTTPS_PROXY: 'http://p:1', https_proxy: ''}, 'https://h/', 'http://p:1'],
		[{HTTPS_PROXY: 'http://p:1'}, 'http://h/', undefined],
		[{HTTP_PROXY: 'http://p:1'}, 'http://h/', 'http://p:1'],
		[{http_proxy: 'p'}, 'http://h/', 'http://p:80'],
		[{ALL_PROXY: 'https://p', HTTP_PROXY: 'http://q:2'}, 'https://h/', 'https://p:443'],
		[{all_proxy: 'https://p', HTTP_PROXY: 'http://q:2'}, 'http://h/', 'http://q:2'],
		[{HTTPS_PROXY: 'http://u:secret@[::1]:3128/'}, 'https://h/', 'http://[::1]:3128'],
	];
	for (const [env, url, proxy] of cases) assert.equal(chosen(env, url), proxy, JSON.stringify(env));
});

test('a proxy that cannot be used is an error that does not repeat its password', () => {
	for (const value of ['socks5://u:secret@p:1', 'http://u:secret@:x', 'http://u:secret@p:99999']) {
		assert.throws(
			() => createProxyChoice({HTTPS_PROXY: value}),
			(error: Error) => /^HTTPS_PROXY /.test(error.message) && !/secret/.test(error.message),
		);
	}
});

test('user and password are decoded for the proxy only', () => {
	const proxy = createProxyChoice({HTTPS_PROXY: 'http://us%40er:pa%3Ass%@p:1'})('https:', 'h', 443);
	assert.equal(proxy?.authorization, `Basic ${Buffer.from('us@er:pa%3Ass%').toString('base64')}`);
	assert.equal(proxy.shown, 'http://p:1');
});

test('the metadata services of clouds are never reached through a proxy', () => {
	for (const host of [
		'169.254.169.254',
		'169.254.170.2',
		'[fd00:ec2::254]',
		'metadata.google.internal',
		'metadata.google.internal.',
	])
		assert.equal(createProxyChoice({ALL_PROXY: 'http://p:1'})('http:', host, 80), undefined, host);
});

test('NO_PROXY: names, names below, ports, addresses and networks', () => {
	const excluded: readonly (readonly [string, string, number])[] = [
		['*', 'h', 1],
		['example.com', 'example.com', 443],
		['example.com', 'a.b.example.com', 443],
		['.example.com', 'example.com', 443],
		['*.example.com', 'a.example.com', 443],
		['a, EXAMPLE.com', 'Example.COM.', 443],
		['x y\texample.com', 'example.com', 443],
		['example.com:8443', 'a.example.com', 8443],
		['*:8443', 'h', 8443],
		['10.0.0.0/8', '10.20.30.40', 443],
		['10.0.0.0/8:443', '10.20.30.40', 443],
		['192.0.2.7', '192.0.2.7', 443],
		['192.0.2.7:9000', '192.0.2.7', 9000],
		['fd00::/8', 'fd12::1', 443],
		['::1', '::1', 443],
		['[::1]:8080', '::1', 8080],
		['0:0:0:0:0:0:0:1', '::1', 443],
	];
	for (const [text, host, port] of excluded) assert.ok(isExcluded(text, host, port), `${text}: ${host}:${port}`);
	const proxied: readonly (readonly [string, string, number])[] = [
		['', 'h', 1],
		['example.com', 'badexample.com', 443],
		['example.com', 'example.com.evil', 443],
		['example.com:8443', 'example.com', 443],
		['10.0.0.0/8', '11.0.0.1', 443],
		['10.0.0.0/99', '10.0.0.1', 443],
		['0.2.7', '192.0.2.7', 443],
		['10.0.0.0/8', '10.example.com', 443],
		['[::1]:8080', '::1', 443],
		['.', 'h', 443],
	];
	for (const [text, host, port] of proxied) assert.ok(!isExcluded(text, host, port), `${text}: ${host}:${port}`);
});
