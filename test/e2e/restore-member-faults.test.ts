/** Directory dumps that are not loaded table by table, and loads of tables that fail or are interrupted. */
import assert from 'node:assert/strict';
import {readdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {startCluster} from '../helpers/cluster.js';
import {databasesOf} from '../helpers/databases.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, type KeyFile, newKeyFile, scratchDirectory, startProgram, succeeded} from '../helpers/program.js';
import {type DirectoryDump, type Pair, restore, restoreArguments, withShipped} from './directory-dumps.js';
import type {Place} from './remote-places.js';

let pair: Pair;
let keys: KeyFile;

/** In the second table, loading waits for as long as the database has another name. */
const slow = `
	create function waits() returns boolean language sql as
		$$ select current_database() = 'slow' or pg_catalog.pg_sleep(3600) is not null $$;
	create table fast as select i from generate_series(1, 100) i;
	create table slow (i int check (waits())); insert into slow values (1);
`;

before(async () => {
	pair = {source: await startCluster({name: 'members-from'}), target: await startCluster({name: 'members-to'})};
	keys = await newKeyFile();
	await pair.source.psql('postgres', 'create database app; create database slow');
	await pair.source.psql('slow', slow);
	await pair.source.psql('app', 'create table t as select i, md5(i::text) from generate_series(1, 50000) i');
});
after(async () => {
	await pair.source.stop();
	await pair.target.stop();
});

const slowDump: DirectoryDump = {store: 'local', database: 'slow', compression: '0'};
const dataOf = async (place: Place) => (await place.keys()).filter(key => /\/\d+\.dat/.test(key));

describe('what cannot be loaded so is a file first, and the plan says why', () => {
	type Preview = {databases: {road: string}[]; findings: {text: string}[]};
	const planned = async (place: Place, ...args: readonly string[]) => {
		const {stdout} = succeeded(await restore(place, pair.target, '--dry-run', '--json', ...args));
		const {databases, findings} = JSON.parse(stdout) as Preview;
		const reasons = findings.map(({text}) => text).filter(text => text.includes('fetched before'));
		return [databases[0]?.road, reasons.join()];
	};

	test('INSERT statements; only some objects', () =>
		withShipped(pair, {...slowDump, options: '--inserts'}, async place => {
			assert.deepEqual(await planned(place), [
				'file',
				'the dump of slow is fetched before it is loaded: its rows are INSERT statements',
			]);
			await pair.target.psql('postgres', 'create database slow');
			assert.deepEqual(await planned(place, '--only', 'fast'), [
				'file',
				'the dump of slow is fetched before it is loaded: some of its objects are restored in one transaction',
			]);
		}));

	test('a dump that there is room for, unless a stream is asked for', () =>
		withShipped(pair, slowDump, async place => {
			assert.deepEqual(await planned(place, '--stream', 'auto'), ['file', '']);
			assert.deepEqual(await planned(place), ['members', '']);
		}));
});

describe('damage', () => {
	for (const isEncrypted of [true, false])
		test(`a flipped byte and a cut member, ${isEncrypted ? 'age' : 'clear'}: 17, and no database`, () => {
			const dump: DirectoryDump = {store: 'local', database: 'app', compression: '6', ...(isEncrypted && {keys})};
			return withShipped(pair, dump, async place => {
				const directory = scratchDirectory('members-work');
				const damaged = async () => {
					const options = ['--cipher-identity-file', keys.file, '--restore-directory', directory];
					const {code, stderr} = await restore(place, pair.target, ...options);
					assert.equal(code, 17, stderr);
					assert.deepEqual(await databasesOf(pair.target), []);
					assert.deepEqual(readdirSync(directory), []);
					return stderr;
				};
				const sizes = await Promise.all(
					(await dataOf(place)).map(async key => ({key, size: (await place.read(key)).length})),
				);
				const {key = ''} = sizes.toSorted((a, b) => b.size - a.size)[0] ?? {};
				const bytes = await place.read(key);
				const flipped = Buffer.from(bytes);
				flipped[flipped.length >> 1]! ^= 0x01;
				await place.replace(key, flipped);
				assert.match(await damaged(), new RegExp(key.replace(/^.*\//, '')));
				await place.replace(key, bytes.subarray(0, bytes.length >> 1));
				await damaged();
			});
		});

	test('a cut and a missing member of a dump without a manifest', () =>
		withShipped(pair, slowDump, async place => {
			for (const key of await place.keys()) {
				if (key.includes('manifest')) rmSync(join(place.location, key));
				if (!/\/\d+\.dat$/.test(key)) continue;
				// At the end of a line, where pg_restore takes it for the end of the data.
				const bytes = await place.read(key);
				if (bytes.includes('99\n100\n')) await place.replace(key, bytes.subarray(0, bytes.indexOf('100\n')));
			}
			const fails = async (reason: RegExp) => {
				const {code, stderr} = await restore(place, pair.target);
				assert.equal(code, 17, stderr);
				assert.match(stderr, reason);
				assert.deepEqual(await databasesOf(pair.target), []);
			};
			await fails(/truncated: the line that ends its rows is missing/);
			for (const key of await dataOf(place)) rmSync(join(place.location, key));
			await fails(/has no \d+\.dat, which its table of contents names/);
		}));
});

describe('interruption while a table is loaded', () => {
	const copying = "select count(*) from pg_stat_activity where query like 'COPY public.slow %' and state = 'active'";
	const started = async (place: Place) => {
		const running = await startProgram(restoreArguments(place, pair.target), {env: place.env});
		await waitFor(async () => (await pair.target.psql('postgres', copying)) === '1', 'it copies');
		return running;
	};

	test('SIGTERM: 143, and nothing is left of it', () =>
		withShipped(pair, slowDump, async place => {
			const running = await started(place);
			process.kill(running.pid, 'SIGTERM');
			assert.equal((await running.ended).code, 143);
			assert.deepEqual(await databasesOf(pair.target), []);
			assert.equal(await pair.target.psql('postgres', copying), '0');
		}));

	test('SIGKILL: the hidden database is left, and --cleanup-restores drops it', () =>
		withShipped(pair, slowDump, async place => {
			const running = await started(place);
			process.kill(running.pid, 'SIGKILL');
			await running.ended;
			assert.match((await databasesOf(pair.target)).join(), /^slow\.pgbk-\w{6}$/);
			const connection = connectTo(pair.target, scratchDirectory('members-none'));
			succeeded(await (await startProgram([...connection, '--cleanup-restores'])).ended);
			assert.deepEqual(await databasesOf(pair.target), []);
		}));
});
