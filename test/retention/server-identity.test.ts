import assert from 'node:assert/strict';
import {test} from 'node:test';
import {addressOf, otherServer, type ServerIdentity} from '../../source/retention/server-identity.js';

test('a socket and the loopback stand for the machine', () => {
	for (const host of [undefined, '', '/run/postgresql', '@socket', 'localhost', '127.0.0.1', '::1'])
		assert.equal(addressOf(host, '', 'DB1'), 'db1:5432', host);
	assert.equal(addressOf('db2.example.org', '5433', 'db1'), 'db2.example.org:5433');
	assert.equal(addressOf('/run/postgresql', '5432', undefined), undefined);
});

test('the identifier decides where both are known, else the address', () => {
	const cases: readonly (readonly [ServerIdentity | undefined, ServerIdentity | undefined, string | undefined])[] = [
		[undefined, {systemIdentifier: '1'}, undefined],
		[{systemIdentifier: '1', address: 'a:1'}, {systemIdentifier: '1', address: 'b:1'}, undefined],
		[{systemIdentifier: '1', address: 'a:1'}, {systemIdentifier: '2', address: 'a:1'}, 'another server (a:1)'],
		[{systemIdentifier: '1'}, {systemIdentifier: '2'}, 'another server (1)'],
		[{address: 'a:1'}, {systemIdentifier: '2', address: 'a:1'}, undefined],
		[{systemIdentifier: '1', address: 'a:1'}, {address: 'b:1'}, 'another server (a:1)'],
		[{systemIdentifier: '1'}, {address: 'b:1'}, undefined],
		[{}, {}, undefined],
	];
	for (const [theirs, own, expected] of cases) assert.equal(otherServer(theirs, own), expected);
});
