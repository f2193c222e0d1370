/** Token services that answer with anything but a token, or not at all: said in words, without what they answered. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {StorageError} from '../../../source/storage/errors.js';
import {openGcs} from '../../../source/storage/gcs/gcs.js';
import {scratchDirectory} from '../../helpers/program.js';
import {fastClock, listKeys, testContext} from '../../helpers/storage-tools.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const answering =
	(status: number, body: string, headers: Record<string, string> = {}): Handler =>
	(_, response) =>
		response.writeHead(status, headers).end(body);
const json = {'content-type': 'application/json'};
const refusal = '{"error":"invalid_grant","error_description":"account not found"}';
const cases: readonly (readonly [string, Handler, fault: string, RegExp])[] = [
	['a page with 200', answering(200, '<html>the-page</html>'), 'server', /contains no token/],
	['nothing with 200', answering(200, ''), 'server', /contains no token/],
	['an object without a token', answering(200, '{}', json), 'server', /contains no token/],
	['an array', answering(200, '[1]', json), 'server', /contains no token/],
	['cut JSON', answering(200, '{"access_token": "the-page', json), 'server', /contains no token/],
	['status 500', answering(500, 'the-page'), 'server', /token service returned HTTP status 500/],
	['status 503', answering(503, ''), 'throttled', /token service returned HTTP status 503/],
	['status 429', answering(429, ''), 'throttled', /token service returned HTTP status 429/],
	['status 407', answering(407, '<html>the-page'), 'invalid', /token service returned HTTP status 407/],
	['a redirect', answering(307, '', {location: 'http://127.0.0.1:1/'}), 'invalid', /HTTP status 307/],
	['a refusal in words', answering(400, refusal, json), 'forbidden', /token service refused: account not found/],
	['a refusal', answering(401, '<html>the-page'), 'forbidden', /token service refused: HTTP status 401/],
	['a connection that closes', (_, response) => void response.destroy(), 'network', /connection was reset/],
	['silence', () => undefined, 'timeout', /no progress|does not respond/],
	['a response that never ends', (_, response) => void response.write('{'), 'timeout', /no progress|does not respond/],
];

describe('a token service that answers with', () => {
	for (const [what, handler, fault, text] of cases) {
		test(what, {timeout: 30_000}, async () => {
			const server = createServer((request, response) => {
				request.resume().on('end', () => handler(request, response));
			});
			await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
			const keyfile = join(scratchDirectory('token'), 'key.json');
			const key = {
				type: 'external_account',
				audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
				subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
				token_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
				credential_source: {file: keyfile},
			};
			writeFileSync(keyfile, JSON.stringify(key));
			// A slow machine must not turn an answer into silence.
			const idleTimeout = fault === 'timeout' ? 300 : 25_000;
			const context = testContext({clock: fastClock(), idleTimeout, retryBudget: 1});
			const storage = await openGcs({bucket: 'b', keyfile, endpoint: 'https://127.0.0.1:1'}, context);
			try {
				await assert.rejects(listKeys(storage, ''), error => {
					assert.ok(error instanceof StorageError, String(error));
					assert.equal(error.fault, fault, error.message);
					assert.match(error.message, text);
					assert.doesNotMatch(`${error.message} ${error.hint ?? ''} ${context.lines.join(' ')}`, /the-page|undefined/);
					return true;
				});
			} finally {
				await storage.close();
				server.closeAllConnections();
				await new Promise(resolve => server.close(resolve));
			}
		});
	}
});
