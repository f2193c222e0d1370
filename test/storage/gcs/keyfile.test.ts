import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {generateKeyPairSync} from 'node:crypto';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {openGcs} from '../../../source/storage/gcs/gcs.js';
import {testContext} from '../../helpers/storage-tools.js';

const root = mkdtempSync('/tmp/pgb-keyfile-');
after(() => rmSync(root, {recursive: true, force: true}));

test('a key file that is none is CONFIG before any request; a damaged key is no lost connection', async () => {
	const {privateKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
	const pem = privateKey.export({type: 'pkcs8', format: 'pem'}).toString();
	const account = {type: 'service_account', client_email: 'a@b'};
	const cases: readonly (readonly [string, RegExp])[] = [
		['null', /it has no "type"/],
		['{', /it is not JSON/],
		[JSON.stringify(account), /its "private_key" cannot be read/],
		[JSON.stringify({...account, private_key: pem.slice(0, 300)}), /its "private_key" cannot be read/],
	];
	const keyfile = join(root, 'key.json');
	for (const [text, reason] of cases) {
		writeFileSync(keyfile, text);
		await assert.rejects(openGcs({bucket: 'b', keyfile}, testContext()), (error: {code: string; message: string}) => {
			assert.equal(error.code, 'CONFIG');
			assert.match(error.message, reason);
			assert.ok(!error.message.includes('BEGIN'));
			return true;
		});
	}
	const pipe = join(root, 'pipe');
	execFileSync('mkfifo', [pipe]);
	await assert.rejects(openGcs({bucket: 'b', keyfile: pipe}, testContext()), {code: 'CONFIG', message: /it is a pipe/});
	writeFileSync(keyfile, JSON.stringify({...account, private_key: pem}));
	await (await openGcs({bucket: 'b', keyfile}, testContext())).close();
});
