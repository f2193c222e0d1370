import assert from 'node:assert/strict';
import {type PerformanceEntry, PerformanceObserver} from 'node:perf_hooks';
import {describe, it} from 'node:test';
import type {ListedFile} from '../../source/core/handle.js';
import {createFakeEngine, fakeFile, fakeNow} from './helpers/fake-engine.js';
import {chars, keys, mount} from './helpers/mounted.js';

const now = () => fakeNow;
const remote = {start: {files: 's3'}, now} as const;

/**
 * The longest stretch of work between two turns of the event loop, in milliseconds of the main thread's CPU: other programs
 * do not count, nor do the pauses of the garbage collector, which last as long as its threads wait for a processor.
 */
function watchStalls(): {readonly worst: () => number} & Disposable {
	const used = () => {
		// Node.js 22 has only the figure of the whole process.
		const {user, system} =
			(process.threadCpuUsage as typeof process.threadCpuUsage | undefined)?.() ?? process.cpuUsage();
		return (user + system) / 1000;
	};
	const stretches: {readonly from: number; readonly to: number; readonly cpu: number}[] = [];
	const pauses: PerformanceEntry[] = [];
	const observer = new PerformanceObserver(list => pauses.push(...list.getEntries()));
	observer.observe({entryTypes: ['gc']});
	let last = used();
	let from = performance.now();
	let timer: NodeJS.Immediate;
	const look = () => {
		const [cpu, to] = [used() - last, performance.now()];
		if (cpu > 20) stretches.push({from, to, cpu});
		last = used();
		from = performance.now();
		timer = setImmediate(look);
	};
	timer = setImmediate(look);
	const pausedIn = ({from: start, to: end}: {readonly from: number; readonly to: number}) =>
		pauses
			.filter(({startTime}) => startTime >= start && startTime <= end)
			.reduce((sum, {duration}) => sum + duration, 0);
	return {
		worst: () => Math.max(0, ...stretches.map(stretch => stretch.cpu - pausedIn(stretch))),
		[Symbol.dispose]: () => {
			clearImmediate(timer);
			observer.disconnect();
		},
	};
}

describe('Files', () => {
	it('goes the whole way of the bad day: filter, mark, download, decrypt, verify', async () => {
		const engine = createFakeEngine({names: 5000, passphrase: 'correct horse'});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('5 000 files in 313 runs'), 'the listing');
		assert.match(screen.lines()[1] ?? '', /s3:\/\/backups\/prod\//);
		await screen.type('g');
		await screen.waitFor(text => /PARTIAL, 1 failed: billing/.test(text), 'the run that is not whole');
		await screen.type('g', 'g', '/', ...chars('orders'), keys.enter);
		await screen.waitFor(
			text => text.includes('313 of 5 000 files') && text.includes('filter: orders'),
			'the filtered listing',
		);
		await screen.type(' ', ' ', ' ');
		await screen.waitFor(text => text.includes('3 marked'), 'three marked files');
		await screen.type('d');
		await screen.waitFor(text => text.includes('into the directory') && text.includes('[x] yes'), 'the form');
		await screen.type(keys.ctrlU, ...chars('/restore'), keys.enter);
		await screen.waitFor(text => text.includes('These dumps are encrypted'), 'the masked field');
		await screen.type(...chars('wrong'), keys.enter);
		await screen.waitFor(
			text => text.includes('3 failed') && text.includes('the passphrase does not open it'),
			'the failures',
		);
		assert.equal(screen.bytes().includes('wrong'), false, 'a typed secret was shown');
		await screen.type('r');
		await screen.waitFor(text => /needs? another key/.test(text), 'the question for another passphrase');
		await screen.type(...chars('correct horse'), keys.enter);
		await screen.waitFor(text => text.includes('1 done'), 'the first one done');
		const fetch = engine.calls.find(([name]) => name === 'fetch')?.[1];
		assert.deepEqual(fetch, {
			location: 's3',
			keys: [
				'orders_2026-11-22T02:00:03+00:00.dump.age',
				'orders_2026-11-21T02:00:03+00:00.dump.age',
				'orders_2026-11-20T02:00:03+00:00.dump.age',
			],
			target: '/restore',
			decrypt: true,
			verify: true,
			force: false,
			secrets: {passphrase: 'wrong'},
		});
		await screen.type('G', keys.enter);
		await screen.waitFor(text => text.includes('/restore/orders_'), 'the path');
		await screen.type('y');
		await screen.waitFor(text => text.includes('copied'), 'the answer to y');
		const copied = /\u001B\]52;c;([^\u0007]*)\u0007/.exec(screen.bytes())?.[1] ?? '';
		assert.match(Buffer.from(copied, 'base64').toString(), /^\/restore\/orders_.*\.dump$/);
		await screen.type('q', 'q');
		assert.equal((await screen.result).reason, 'quit');
	});

	it('takes the Enter behind a paste that arrives with it, in a text field only', async () => {
		const engine = createFakeEngine({names: 20, passphrase: 'a long passphrase from a manager'});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('20 files'), 'the listing');
		await screen.type('pasted where nothing is typed\r');
		await screen.waitFor(text => text.includes('a paste is not a command'), 'what it says of a paste');
		await screen.type('a', 't');
		await screen.waitFor(text => text.includes('into the directory'), 'the form');
		await screen.type(keys.ctrlU, '/restore/where/there/is/room\r');
		await screen.waitFor(text => text.includes('These dumps are encrypted'), 'the masked field');
		await screen.type('a long passphrase\nfrom a manager\n');
		await screen.waitFor(text => text.includes('***') || text.includes('•••'), 'a paste of two lines, not sent off');
		await screen.type(keys.ctrlU, 'a long passphrase from a manager\r');
		await screen.waitFor(text => /\d+ done/.test(text) && !text.includes('failed'), 'the jobs');
		assert.ok(!screen.text().includes('pasted where'));
	});

	it('asks before anything is overwritten', async () => {
		const engine = createFakeEngine({names: 64, existing: ['/var/backups/postgresql/orders.dump']});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('g');
		await screen.waitFor(text => text.includes('DUMPS'), 'the runs');
		await screen.type(' ', 'd', keys.enter);
		await screen.waitFor(text => text.includes('1 file exists already'), 'the question');
		assert.equal(
			engine.calls.some(([name]) => name === 'fetch'),
			false,
		);
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('choose another directory'), 'the form again');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('1 file exists already'), 'the question again');
		await screen.type('o');
		await screen.waitFor(text => text.includes('16 done'), 'the jobs');
		await screen.type('q');
		await screen.result;
	});

	it('says in the form what keeps a download from starting', async () => {
		const engine = createFakeEngine({names: 64});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('d');
		await screen.waitFor(text => text.includes('free there') && text.includes('$ pg_back --fetch'), 'what fits');
		await screen.type(keys.f2);
		await screen.waitFor(() => screen.bytes().includes(']52;c;'), 'the copy of the command line');
		await screen.type(keys.tab);
		await screen.waitFor(text => text.includes('/var/backups/postgresql/completed'), 'the completion');
		await screen.type(keys.ctrlU, keys.enter);
		await screen.waitFor(text => text.includes('a directory is needed'), 'the refusal');
		await screen.type(...chars('/nowhere'), keys.enter);
		await screen.waitFor(text => text.includes('mkdir /nowhere: permission denied'), 'the error of the engine');
		await screen.type(keys.escape, 'q');
		await screen.result;
	});

	it('names the last good dump of a database, and deletes it only by its name', async () => {
		const engine = createFakeEngine({names: 64, lastGood: ['orders']});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('g');
		await screen.waitFor(text => text.includes('DUMPS'), 'the runs');
		await screen.type(' ', 'D');
		await screen.waitFor(text => text.includes('last good dumps here of: orders'), 'the warning');
		await screen.type(...chars('16'), keys.enter);
		await screen.waitFor(text => text.includes('nothing was deleted'), 'the refusal of the number');
		assert.ok(!engine.calls.some(([name]) => name === 'remove'));
		await screen.type(...chars('orders'), keys.enter);
		await screen.waitFor(text => text.includes('16 files deleted'), 'the deletion');
		assert.equal(engine.calls.filter(([name]) => name === 'remove').length, 1);
		await screen.type('q');
		await screen.result;
	});

	it('deletes only when the number of files is typed', async () => {
		const engine = createFakeEngine({names: 64});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('g');
		await screen.waitFor(text => text.includes('DUMPS'), 'the runs');
		await screen.type(' ', 'D');
		await screen.waitFor(text => text.includes('Type 16 to delete'), 'the question');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('nothing was deleted'), 'the refusal');
		await screen.type(...chars('15'), keys.enter);
		await screen.waitFor(text => text.includes('this is not 16'), 'the refusal of another number');
		await screen.type(keys.escape);
		assert.equal(
			engine.calls.some(([name]) => name === 'remove'),
			false,
		);
		await screen.type('D', ...chars('16'), keys.enter);
		await screen.waitFor(text => text.includes('16 files deleted'), 'the answer');
		assert.equal((engine.calls.find(([name]) => name === 'remove')?.[2] as string[]).length, 16);
		await screen.type('q');
		await screen.result;
	});

	it('looks into a dump, asking for the passphrase only when it must', async () => {
		const engine = createFakeEngine({names: 64, passphrase: 'secret'});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type('i');
		await screen.waitFor(text => text.includes('This dump is encrypted'), 'the masked field');
		await screen.type(...chars('secret'), keys.enter);
		await screen.waitFor(text => text.includes('PostgreSQL 15.18') && text.includes('order_lines'), 'the inside');
		await screen.type(keys.escape, 'q');
		await screen.result;
	});

	it('shows plain names, sorted as the person likes', async () => {
		const engine = createFakeEngine({names: 640});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('640 files in 40 runs'), 'the listing');
		await screen.type('g', 'g', 's');
		await screen.waitFor(text => /▸ \[ \] .*db_02_2026-10-14/.test(text), 'names from A');
		await screen.type('S');
		await screen.waitFor(text => /▸ \[ \] .*pg_globals_2026-11-22/.test(text), 'names from Z');
		await screen.type('/', ...chars('!globals'), keys.enter);
		await screen.waitFor(
			text => text.includes('600 of 640 files') && !text.includes('pg_globals'),
			'all but the globals',
		);
		await screen.type('q');
		await screen.result;
	});

	it('stays alive while a million names arrive, are filtered and sorted', async () => {
		const engine = createFakeEngine({names: 1_000_000});
		const before = process.memoryUsage();
		await using screen = mount(engine, remote);
		using stalls = watchStalls();
		await screen.waitFor(
			text => /listing, [\d ]+ names so far/.test(text) && /\[ \] db_/.test(text),
			'the first rows while the rest arrives',
			20_000,
		);
		await screen.type(keys.down, keys.down);
		await screen.waitFor(
			text => text.includes('1 000 000 files in 62 500 runs') && !text.includes('listing'),
			'the whole listing',
			90_000,
		);
		await screen.type('/', ...chars('db_07_2026-11-1'), keys.enter);
		await screen.waitFor(text => text.includes('10 of 1 000 000 files'), 'the filter', 20_000);
		await screen.type(keys.escape, 'g', 'g', 's');
		await screen.waitFor(text => /db_02_1855/.test(text) || /\[ \] +db_02_/.test(text), 'the sorted names', 60_000);
		const worst = stalls.worst();
		const {arrayBuffers, heapUsed, external} = process.memoryUsage();
		const grown = (heapUsed + external - before.heapUsed - before.external) / 1024 / 1024;
		console.log(
			`a million names: longest stretch without a turn for others ${worst.toFixed(0)} ms of CPU without garbage collection, memory ${grown.toFixed(0)} MiB (array buffers ${(arrayBuffers / 1024 / 1024).toFixed(0)} MiB)`,
		);
		assert.ok(worst < 150, `the event loop stood still for ${worst.toFixed(0)} ms`);
		assert.ok(grown < 400, `a million names take ${grown.toFixed(0)} MiB`);
		await screen.type('q');
		await screen.result;
	});

	it('lets one work and leave while a remote hangs, and shows what had come when it fails', async () => {
		const hanging = createFakeEngine({names: 5000, hangsAfter: 100});
		await using screen = mount(hanging, remote);
		await screen.waitFor(text => text.includes('100 files') && text.includes('listing'), 'what has come');
		await screen.type('1', '2', keys.right);
		await screen.waitFor(text => text.includes('48 files in 3 runs'), 'the other location');
		await screen.type('q');
		assert.equal((await screen.result).reason, 'quit');

		await using broken = mount(createFakeEngine({names: 5000, failsAfter: 100}), remote);
		await broken.waitFor(
			text => text.includes('connection reset by peer') && text.includes('100 files'),
			'the failure with what had come',
		);
		await broken.type('q');
		await broken.result;
	});

	it('takes a paste of 10 kB into the filter, and none of it as commands', async () => {
		const engine = createFakeEngine({names: 64});
		await using screen = mount(engine, remote);
		await screen.waitFor(text => text.includes('64 files in 4 runs'), 'the listing');
		await screen.type(`D16\rqqDDxx${'q\r'.repeat(5000)}`);
		await screen.waitFor(text => text.includes('a paste is not a command'), 'the refusal');
		await screen.type('/', `orders\r\n${'x'.repeat(10_000)}\u001B[31m`);
		await screen.waitFor(text => text.includes('nothing matches the filter'), 'the filter');
		await screen.type(keys.ctrlU, ...chars('orders'), keys.enter);
		await screen.waitFor(text => text.includes('4 of 64 files'), 'a filter again');
		assert.deepEqual(engine.calls, []);
		await screen.type('q');
		await screen.result;
	});

	it('says in full why a remote does not answer as soon as an attempt has failed, and ends the attempt on Esc', async () => {
		const reason =
			's3: connect ECONNREFUSED 192.0.2.7:443, which is where s3.internal.example.org was looked for: trying again in 0.4 s (attempt 2)';
		await using screen = mount(createFakeEngine({trouble: reason, hangsAfter: 0}), {...remote, columns: 80, rows: 24});
		await screen.waitFor(
			text => text.includes('ECONNREFUSED') && text.includes('(attempt 2)') && text.includes('esc ends the attempt'),
			'the whole reason',
		);
		await screen.type(keys.escape);
		await screen.waitFor(text => text.includes('stopped: F5 lists again'), 'the end of the attempt');
		await screen.type(keys.left);
		await screen.waitFor(text => text.includes('48 files in 3 runs'), 'the other location');
		await screen.type('q');
		assert.equal((await screen.result).reason, 'quit');
	});

	it('shows databases by their names, the locations as a strip, and the keys that matter', async () => {
		const listed = Array.from({length: 3}, (_, index): ListedFile => ({
			...fakeFile(index),
			key: fakeFile(index).key.replace('orders', '%C3%9Cbung'),
			...(index === 1 && {
				name: {subject: 'Übung', timeText: '2026-11-22T02:00:03+00:00', time: 1, suffix: 'dump', encrypted: true},
			}),
		}));
		await using screen = mount(createFakeEngine({listed}), {...remote, columns: 100});
		await screen.waitFor(text => text.includes('3 files'), 'the listing');
		assert.match(screen.lines()[1] ?? '', /‹ \/var\/backups\/postgresql · \[s3:\/\/backups\/prod\/\] ›/);
		assert.match(screen.lines().join('\n'), /DATABASE +AGE▾ +SIZE +FORMAT +ENC +STATE/);
		assert.match(screen.lines().join('\n'), /\[ \] Übung +\S+ +\S+ \S+ +custom +age/);
		for (const key of ['← →', 'R ', 'D delete', 'F5'])
			assert.ok((screen.lines()[29] ?? '').includes(key), `${key} is not in ${screen.lines()[29] ?? ''}`);
		await screen.type('/', ...chars('übung'), keys.enter);
		await screen.waitFor(text => text.includes('1 of 3 files'), 'the filter by the decoded name');
		await screen.type('q');
		await screen.result;
	});
});
