/** What the console shows of a dump beside its contents. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {describeDump} from '../../source/repository/browser.js';
import {backupLocation} from '../../source/repository/locations.js';
import {openPlace} from '../../source/repository/place.js';
import {runContext} from '../helpers/run-context.js';

const directory = mkdtempSync(join(tmpdir(), 'pg_back-describe-'));
after(() => rmSync(directory, {recursive: true, force: true}));

const instant = '2026-10-01T00:00:00.000Z';
const nameOf = (database: string) => `${database}_2026-10-01T00:00:00Z.dump`;
const fileOf = (database: string) => ({
	...{path: nameOf(database), role: 'dump', database, time: instant, size: 1, verified: 'hash', shipped: []},
});
const manifest = {
	...{schema: 1, runId: 'one', outcome: 'complete', start: instant, end: instant, host: 'db1', version: '3.1.0'},
	...{server: {version: '15.18'}, tools: {}, options: {}, databases: ['app', 'shop'], failed: []},
	files: [fileOf('app'), fileOf('shop')],
};

test('a dump says when a drill restored it, and what was compared', async () => {
	const put = (name: string, value: unknown) => writeFileSync(join(directory, name), JSON.stringify(value));
	put('pg_back_2026-10-01T00:00:00Z.manifest.json', manifest);
	const drill = {
		time: '2026-10-02T03:04:05Z',
		host: 'db2',
		server: '17.2',
		tables: 3,
		uncounted: 0,
		schema: 'definitions',
	};
	put('pg_back_2026-10-01T00:00:00Z.proven.json', {schema: 1, runId: 'one', databases: [{database: 'app', ...drill}]});
	// The proof of another run that has the same database.
	put('pg_back_2026-09-01T00:00:00Z.proven.json', {
		schema: 1,
		runId: 'zero',
		databases: [{database: 'shop', ...drill}],
	});
	const run = await runContext(['-b', directory]);
	const place = await openPlace(run, backupLocation);
	const factOf = async (database: string) => new Map(await describeDump(run, place, nameOf(database)));
	assert.equal(
		(await factOf('app')).get('proven'),
		'2026-10-02 03:04 UTC on db2 with PostgreSQL 17.2: the rows of 3 tables and the schema are as recorded',
	);
	assert.equal((await factOf('shop')).get('restored'), 'by no drill yet');
	await place.close();
});
