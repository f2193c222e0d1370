import assert from 'node:assert/strict';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {setImmediate as nextTurn} from 'node:timers/promises';
import {splitCompanion} from '../../source/backup/split-companion.js';
import type {Split} from '../../source/backup/split-tables.js';

const root = mkdtempSync(join(tmpdir(), 'pgb-split-'));
after(() => rmSync(root, {recursive: true}));

test('a directory for the ranges that cannot be created fails once, without an unhandled rejection', async () => {
	const split = {
		tables: [],
		sessions: [],
		compression: {method: 'none'},
		dumpJobs: 0,
		startedAt: '',
		application: '',
		holder: {query: () => Promise.resolve([])},
		close: () => Promise.resolve(),
	} as unknown as Split;
	const directory = join(root, 'missing', 'app.d');
	const unhandled: unknown[] = [];
	const onUnhandled = (reason: unknown) => unhandled.push(reason);
	process.on('unhandledRejection', onUnhandled);
	try {
		const abort = new AbortController();
		const {promise: dumped, reject} = Promise.withResolvers<undefined>();
		const writing = splitCompanion(split, {run: 'aaaaaa', env: {}}).write(directory, abort.signal, dumped);
		await assert.rejects(writing, {code: 'ENOENT'});
		abort.abort(new Error('stopped'));
		dumped.catch(() => undefined); // as by the caller
		reject(new Error('stopped'));
		for (let turn = 0; turn < 10; turn++) await nextTurn();
		assert.deepEqual(unhandled, []);
	} finally {
		process.off('unhandledRejection', onUnhandled);
	}
});
