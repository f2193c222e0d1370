/** A server may send a response without end: it is neither kept in memory nor waited for. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createServer, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {after, before, test} from 'node:test';
import {scratchDirectory, startProgram} from '../helpers/program.js';
import {configFile, s3Settings} from './remote-places.js';

let server: Server;
let url: string;
let head = '';
/** Of the responses; 200 unless a test says otherwise. */
let status = 200;

/** Sends `head`, and then blanks for ever. */
function answer(response: ServerResponse): void {
	response.writeHead(status, {'content-type': head.startsWith('<') ? 'application/xml' : 'application/json'});
	response.write(head);
	const blanks = Buffer.alloc(256 * 1024, ' ');
	const more = () => {
		while (!response.destroyed && response.write(blanks));
	};
	response.on('drain', more);
	more();
}

before(async () => {
	server = createServer((request, response) => {
		request.resume();
		answer(response);
	});
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
	server.closeAllConnections();
	server.close();
});

const xml = '<?xml version="1.0" encoding="utf-8"?>';
const stores = [
	{store: 's3', body: `${xml}<ListBucketResult>`, settings: () => s3Settings(url)},
	{
		store: 'b2',
		body: '{',
		settings: () => ['b2_bucket = bucket', 'b2_key_id = id', 'b2_app_key = key'],
		env: () => ({B2_ENVIRONMENT: url}),
	},
	{
		store: 'gcs',
		body: '{',
		settings: () => ['gcs_bucket = bucket', `gcs_endpoint = ${url}`],
		env: () => ({STORAGE_EMULATOR_HOST: url}),
	},
	{
		store: 'azure',
		body: `${xml}<EnumerationResults>`,
		settings: () => ['azure_container = bucket', `azure_endpoint = ${url}/account`],
		env: () => ({AZURE_STORAGE_ACCOUNT: 'account', AZURE_STORAGE_KEY: Buffer.from('key').toString('base64')}),
	},
] as const;

for (const {store, body, settings, ...rest} of stores) {
	for (const code of [200, 403]) {
		test(`${store}: a response with status ${code} that never ends`, async () => {
			[head, status] = [body, code];
			const lines = ['remote_timeout = 20', 'remote_retry = 1', ...settings()];
			const running = await startProgram(
				['-c', configFile(lines), '-b', scratchDirectory('endless'), '--list-remote', store],
				{env: 'env' in rest ? rest.env() : {}},
			);
			let peak = 0;
			const look = setInterval(() => {
				const found = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8'))?.[1];
				peak = Math.max(peak, Number(found ?? 0));
			}, 20);
			const ended = await running.ended.finally(() => clearInterval(look));
			assert.equal(ended.code, 14, ended.stderr);
			assert.match(ended.stderr, /a response of more than 64 MiB/);
			assert.ok(peak > 0 && peak < 400 * 1024, `${peak} KiB`);
		});
	}
}
