/** The Fleet screen, over an engine that does nothing: servers, databases, and the way to the dumps. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {databaseRows, fleetRows} from '../../source/ui/fleet/rows.js';
import {createFleetStore} from '../../source/ui/fleet/store.js';
import {planFleetColumns} from '../../source/ui/layout/fleet-columns.js';
import {createFakeEngine, fakeNow} from './helpers/fake-engine.js';
import {chars, keys, mount} from './helpers/mounted.js';
import {manyServers, okServer} from './helpers/servers.js';

const start = {start: 'fleet', now: () => fakeNow} as const;
const order = {filter: '', sort: 'state', reverse: false} as const;

describe('the Fleet screen', () => {
	it('shows the worst first, opens a server, and its dumps in Files', async () => {
		const engine = createFakeEngine({names: 64, fleet: manyServers(1000)});
		await using screen = mount(engine, start);
		await screen.waitFor(text => text.includes('1 000 servers'), 'the servers');
		assert.match(screen.text(), /40 failed/);
		assert.match(screen.lines()[0] ?? '', /1 Jobs {2}2 Files {2}3 Logs {2}4 Fleet/);
		assert.match(screen.text(), /▸ ✗ db0003 .* 41h orders .* failed 12, 2h ago/);
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('PostgreSQL 17.2'), 'the server');
		assert.match(screen.text(), /✗ last backup: exit status 12/);
		assert.match(screen.text(), /▸ billing_of_the_western_region +never .* failed: DUMP_FAILED/);
		await screen.type(keys.down, keys.enter);
		await screen.waitFor(text => text.includes('s3://backups/db0003/'), 'the location of the server');
		await screen.waitFor(text => text.includes('filter: orders'), 'its database');
		assert.deepEqual(engine.calls.at(-1), ['placeOf', 'db0003']);
		await screen.type('4');
		await screen.waitFor(text => text.includes('1 000 servers'), 'the fleet again');
		assert.equal(engine.calls.filter(([name]) => name === 'fleet').length, 1);
		await screen.type(keys.f5);
		await screen.waitFor(() => engine.calls.filter(([name]) => name === 'fleet').length === 2, 'another reading');
		await screen.type('q');
		assert.equal((await screen.result).reason, 'quit');
	});

	it('filters by server and database, sorts, and moves without drawing a thousand rows', async () => {
		const servers = [
			...manyServers(1000),
			okServer('zz_last', {databases: [{database: 'rare', bytes: 1, seconds: 1}]}),
		];
		await using screen = mount(createFakeEngine({fleet: servers}), {...start, columns: 80, rows: 24});
		await screen.waitFor(text => text.includes('1 001 servers'), 'the servers');
		await screen.type('/', ...chars('rare'), keys.enter);
		await screen.waitFor(text => text.includes('1 of 1 001 servers') && text.includes('zz_last'), 'the filtered one');
		await screen.type(keys.escape, 's', 'S', keys.end);
		await screen.waitFor(text => /▸ {3}db0000/.test(text), 'the first name in the last row');
		await screen.type('G', 'g');
		await screen.waitFor(text => /▸ {3}zz_last/.test(text), 'the last name in the first row');
		assert.equal(screen.lines().length, 24);
	});

	it('says when nothing has reported, and why nothing can be read', async () => {
		await using empty = mount(createFakeEngine({fleet: []}), start);
		await empty.waitFor(text => text.includes('no server has reported'), 'the empty fleet');
		await using away = mount(createFakeEngine({fleet: 'unreachable'}), start);
		await away.waitFor(text => text.includes('connection refused by 10.0.0.9'), 'the reason');
		assert.match(away.text(), /nothing could be read/);
		await using silent = mount(createFakeEngine({fleet: 'silent'}), start);
		await silent.waitFor(text => text.includes('attempt 1 failed') && text.includes('esc ends'), 'the attempt');
		await silent.type(keys.escape);
		await silent.waitFor(text => text.includes('stopped: F5 reads again'), 'the end of it');
	});

	it('is not there without a fleet', async () => {
		await using screen = mount(createFakeEngine(), {now: () => fakeNow});
		await screen.waitFor(text => text.includes('3 Logs'), 'the tabs');
		assert.ok(!screen.text().includes('4 Fleet'));
		await screen.type('4');
		await screen.waitFor(text => text.includes('no fleet is configured'), 'the answer');
	});

	it('says why the dumps of a server are not found', async () => {
		await using screen = mount(createFakeEngine({fleet: [okServer('lost')]}), start);
		await screen.waitFor(text => text.includes('1 server'), 'the server');
		await screen.type('f');
		await screen.waitFor(text => text.includes('lost has reported no dump'), 'the reason');
		assert.match(screen.text(), /4 Fleet/);
	});

	it('begins the help with its keys', async () => {
		await using screen = mount(createFakeEngine({fleet: [okServer('a')]}), start);
		await screen.waitFor(text => text.includes('1 server'), 'the server');
		await screen.type('?');
		await screen.waitFor(text => /Fleet *│?\n.*f +the dumps of this server/.test(text), 'the help');
	});
});

describe('the rows of the fleet', () => {
	it('are ordered by what matters, equal ones by name', () => {
		const names = (sort: 'state' | 'name' | 'age' | 'size' | 'proven') =>
			fleetRows(
				[
					okServer('c', {verdict: 'failed', databases: []}),
					okServer('b'),
					okServer('a', {databases: [{database: 'x', age: 99, bytes: 9e12, seconds: 1, proven: 5}]}),
				],
				{...order, sort},
			)
				.map(({server}) => server)
				.join('');
		assert.deepEqual((['state', 'name', 'age', 'size', 'proven'] as const).map(names), [
			'cab',
			'abc',
			'cba',
			'abc',
			'cba',
		]);
	});

	it('begin with the databases without a good dump, then the oldest', () => {
		const server = okServer('a', {
			databases: [
				{database: 'young', age: 1, bytes: 0, seconds: 0},
				{database: 'old', age: 9, bytes: 0, seconds: 0},
				{database: 'never', bytes: 0, seconds: 0},
			],
		});
		const rows = databaseRows(server, {server: 'a', top: 0, filter: ''});
		assert.deepEqual(
			rows.map(({database}) => database),
			['never', 'old', 'young'],
		);
	});

	it('lose their columns in order: REASON, PROVEN, SIZE, DBS', () => {
		const longest = {name: 20, oldest: 20};
		const kept = (width: number) => {
			const {databases, size, proven, reasons} = planFleetColumns(width, longest);
			return [reasons, proven, size, databases].map(one => Number(one > 0)).join('');
		};
		const seen = Array.from({length: 120}, (_, index) => kept(150 - index)).filter(
			(one, index, all) => one !== all[index - 1],
		);
		assert.deepEqual(seen, ['1111', '0111', '0011', '0001', '0000']);
	});
});

describe('the store of the fleet', () => {
	it('keeps what it has while it reads again, and when that fails', async () => {
		let fails = false;
		const waits: (() => void)[] = [];
		const store = createFleetStore(
			{
				fleetPlace: () => 's3://x/',
				async fleet() {
					await new Promise<void>(resolve => waits.push(resolve));
					if (fails) throw new Error('no');
					return [okServer('a')];
				},
			},
			() => undefined,
		);
		const end = async () => {
			waits.shift()?.();
			await new Promise(resolve => setImmediate(resolve));
		};
		store.read();
		store.read();
		assert.equal(waits.length, 1);
		await end();
		assert.deepEqual([store.state(), store.servers()?.length], ['done', 1]);
		fails = true;
		store.read();
		assert.deepEqual([store.state(), store.servers()?.length], ['reading', 1]);
		await end();
		assert.deepEqual([store.state(), store.servers()?.length, store.problem()], ['failed', 1, 'no']);
		store.read();
		store.stop();
		await end();
		assert.deepEqual([store.state(), store.problem()], ['stopped', undefined]);
	});
});
