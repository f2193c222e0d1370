/** A service for credentials that answers with anything else, or not at all. */
import assert from 'node:assert/strict';
import {createServer, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {test} from 'node:test';
import {StorageError} from '../../../source/storage/errors.js';
import {openS3} from '../../../source/storage/s3/s3.js';
import {fastClock, listKeys, testContext} from '../../helpers/storage-tools.js';
import {withVariables} from '../../helpers/variables.js';

const cases: readonly (readonly [string, (response: ServerResponse) => void, fault: string, RegExp])[] = [
	['silence', () => undefined, 'timeout', /no credentials within 1 s/],
	['a page', response => void response.end('<html>the-page</html>'), 'server', /contains no credentials/],
	['an empty object', response => void response.end('{}'), 'forbidden', /CredentialsProviderError/],
	['status 500', response => void response.writeHead(500).end('the-page'), 'forbidden', /CredentialsProviderError/],
];
for (const [what, answer, fault, text] of cases) {
	test(`a credential service that answers with ${what}`, {timeout: 30_000}, async () => {
		const server = createServer((_, response) => answer(response));
		await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
		const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		const variables = {AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/creds`, AWS_EC2_METADATA_DISABLED: 'true'};
		try {
			await withVariables(variables, async () => {
				// The library tries three times by itself, a second apart.
				const context = testContext({
					clock: fastClock(),
					idleTimeout: fault === 'timeout' ? 1000 : 20_000,
					retryBudget: 1,
				});
				const storage = await openS3({bucket: 'b', region: 'us-east-1', endpoint: 'http://127.0.0.1:1'}, context);
				try {
					await assert.rejects(listKeys(storage, ''), error => {
						assert.ok(error instanceof StorageError, String(error));
						assert.equal(error.fault, fault, error.message);
						assert.match(error.message, text);
						assert.doesNotMatch(error.message, /the-page/);
						return true;
					});
				} finally {
					await storage.close();
				}
			});
		} finally {
			server.closeAllConnections();
			await new Promise(resolve => server.close(resolve));
		}
	});
}
