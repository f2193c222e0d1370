/** A dry run for a reader that is slow or has gone. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Writable} from 'node:stream';
import {test} from 'node:test';
import {printPurge} from '../../source/cli/dry-run.js';
import type {Io} from '../../source/cli/io.js';
import {backupLocation} from '../../source/repository/locations.js';
import {scratchDirectory} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';

const count = 2000;

async function plannedPurge() {
	const directory = scratchDirectory('dry-run');
	const now = Math.floor(Date.now() / 1000) * 1000;
	for (let at = 0; at < count; at++) {
		const time = new Date(now - at * 3_600_000).toISOString().replace('.000', '');
		writeFileSync(join(directory, `app_${time}.dump`), 'x');
	}
	return runContext(['-b', directory, '-P', '7', '-K', '1']);
}

test('a slow reader gets all lines, and few of them wait for it', async () => {
	let text = '';
	let mostWaiting = 0;
	const stdout = new Writable({
		write(chunk, _encoding, done) {
			text += String(chunk);
			mostWaiting = Math.max(mostWaiting, stdout.writableLength);
			setImmediate(done);
		},
	});
	await printPurge({stdout} as unknown as Io, await plannedPurge(), backupLocation);
	assert.ok(text.split('\n').length > count, text.slice(0, 500));
	assert.match(text, /\n$/);
	assert.ok(mostWaiting < 64 * 1024, `${mostWaiting} bytes waited`);
});

test('a reader that has gone is no error', async () => {
	const stdout = new Writable({
		write(_chunk, _encoding, done) {
			done(Object.assign(new Error('broken pipe'), {code: 'EPIPE'}));
		},
	});
	stdout.on('error', () => undefined);
	const result = await printPurge({stdout} as unknown as Io, await plannedPurge(), backupLocation);
	assert.equal(result.outcome, 'done');
});
