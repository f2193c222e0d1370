import assert from 'node:assert/strict';
import {chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, beforeEach, describe, it} from 'node:test';
import type {NewEvent} from '../../source/core/events.js';
import type {RetentionPolicy} from '../../source/retention/policy.js';
import {executeLocalPurge, type LocalPurgeOptions, planLocalPurge, purgeLocal} from '../../source/retention/purge.js';
import {planItems} from '../../source/retention/purge-plan.js';

const scratch = mkdtempSync(join(tmpdir(), 'purge-'));
after(() => rmSync(scratch, {recursive: true, force: true}));

const day = 86_400_000;
const start = Date.parse('2026-10-20T12:00:00Z');
const month: RetentionPolicy = {olderThan: 30 * day, minKeep: 0};
let directory = '';
let counter = 0;

beforeEach(() => {
	directory = join(scratch, String(counter++));
	mkdirSync(directory);
});

function put(...names: string[]): void {
	for (const name of names) {
		const path = join(directory, name);
		mkdirSync(join(path, '..'), {recursive: true});
		writeFileSync(path, 'x');
	}
}

function optionsFor(databases: string[], changes: Partial<LocalPurgeOptions> = {}): LocalPurgeOptions {
	return {
		directory,
		subjects: databases.map(name => ({subject: {kind: 'database', name}, policy: month})),
		runPolicy: month,
		databases,
		start,
		now: start + 1000,
		current: new Set(),
		runTag: '0123456789ab',
		signal: new AbortController().signal,
		...changes,
	};
}

async function purge(options: LocalPurgeOptions) {
	const events: NewEvent[] = [];
	const errors = await purgeLocal({...options, emit: event => events.push(event)});
	return {events, errors, left: readdirSync(directory).toSorted()};
}

describe('purge of a directory', () => {
	it('removes all forms of what is too old and keeps what is not', async () => {
		const old = ['', '.sha256', '.age', '.age.sha256', '.sha256.age', '.sha256.age.sha256'].map(
			chain => `b1_2026-08-01T00:00:00Z.dump${chain}`,
		);
		put(
			...old,
			'b1_2026-08-01T00:00:00Z.createdb.sql',
			'b1_2026-08-02_00-00-00.d/toc.dat',
			'b1_2026-08-02_00-00-00.d/1.dat',
		);
		put('b1_2026-08-02_00-00-00.d.sha1', 'b1_2026-10-01T00:00:00Z.dump', 'b1_2026-10-19T00:00:00Z.sql.gz');
		const {errors, left, events} = await purge(optionsFor(['b1']));
		assert.deepEqual(errors, []);
		assert.deepEqual(left, ['b1_2026-10-01T00:00:00Z.dump', 'b1_2026-10-19T00:00:00Z.sql.gz']);
		assert.deepEqual(
			events.map(event =>
				event.type === 'file.kept' || event.type === 'file.removed' ? `${event.type} ${event.reason}` : '',
			),
			[
				'file.kept last good dump',
				'file.kept 19 days old, kept until 30 days',
				...Array<string>(2).fill('file.removed older than 30 days'),
				...Array<string>(7).fill('file.removed older than 30 days'),
			],
		);
	});

	it('leaves everything alone that is not one of our names', async () => {
		const foreign = [
			'b1_2020-01-01T00:00:00Z.draft', 'b1_2020-01-01T00:00:00Z.dump.old', 'b1_2020-01-01T00:00:00Z.tar.gz', 'b1_2020-01-01T00:00:00Z',
			'b1_2020-01-01T00:00:00Z.sql.orig', 'b1_x_2020-01-01T00:00:00Z.dump', 'b10_2020-01-01T00:00:00Z.dump', 'b1_2020-01-01T00:00:00+0530.dump',
			'b1_2020-01-01T00:00:00.5Z.dump', 'b1_2020-13-01T00:00:00Z.dump', 'b1_2020-01-01T00:00:00Z.dump.sha256.sha256', 'b1.dump', 'b1.lock',
			'.pg_back-abcdef-01234567.part', '.b1_2020-01-01T00:00:00Z.dump', 'b1_2020-01-01T00:00:00Z.outlook', 'b1_2020-01-01T00:00:00Z.createdb.sql.bak',
			'b1_2020-01-01T00:00:01Z.dump/kept', 'b1_2020-01-01T00:00:02Z.d',
		]; // prettier-ignore
		put(...foreign, 'b1_2026-10-20T11:00:00Z.dump');
		const before = readdirSync(directory).toSorted();
		const {errors, left} = await purge(optionsFor(['b1']));
		assert.deepEqual(errors, []);
		assert.deepEqual(left, before);
	});

	it('never removes the last good dump, and empty or cut ones do not count', async () => {
		put('b1_2020-01-04T00:00:00Z.dump.sha256', 'b1_2020-01-06T00:00:00Z.d.sha1');
		put('b1_2020-01-01T00:00:00Z.dump', 'b1_2020-01-03T00:00:00Z.createdb.sql', 'b1_2020-01-05T00:00:00Z.d/1.dat');
		writeFileSync(join(directory, 'b1_2020-01-02T00:00:00Z.dump'), '');
		const {left} = await purge(optionsFor(['b1']));
		assert.deepEqual(left, ['b1_2020-01-01T00:00:00Z.dump']);
	});

	it('removes even what this run wrote when the interval is negative, and only then', async () => {
		put('b1_2026-10-20T12:00:00Z.dump');
		const current = new Set([join(directory, 'b1_2026-10-20T12:00:00Z.dump')]);
		const zero = await purge(
			optionsFor(['b1'], {
				current,
				subjects: [{subject: {kind: 'database', name: 'b1'}, policy: {olderThan: 0, minKeep: 0}}],
			}),
		);
		assert.equal(zero.left.length, 1);
		const negative = await purge(
			optionsFor(['b1'], {
				current,
				subjects: [{subject: {kind: 'database', name: 'b1'}, policy: {olderThan: -3_600_000, minKeep: 0}}],
			}),
		);
		assert.deepEqual(negative.left, []);
	});

	it('removes a link and not what it points to', async () => {
		const elsewhere = join(scratch, 'elsewhere');
		mkdirSync(elsewhere, {recursive: true});
		writeFileSync(join(elsewhere, 'precious'), 'x');
		put('b1_2026-10-20T11:00:00Z.dump', 'b1_2020-01-01T00:00:00Z.d/toc.dat');
		symlinkSync(join(elsewhere, 'precious'), join(directory, 'b1_2020-01-02T00:00:00Z.dump'));
		symlinkSync(elsewhere, join(directory, 'b1_2020-01-03T00:00:00Z.d'));
		symlinkSync(elsewhere, join(directory, 'b1_2020-01-01T00:00:00Z.d', 'inside'));
		const {left, errors} = await purge(optionsFor(['b1']));
		assert.deepEqual(errors, []);
		assert.deepEqual(left, ['b1_2020-01-03T00:00:00Z.d', 'b1_2026-10-20T11:00:00Z.dump']);
		assert.ok(lstatSync(join(elsewhere, 'precious')).isFile());
	});

	it('takes a file of 2.x for its database unless another one may claim it', async () => {
		put(
			'my db_2020-01-01T00:00:00Z.dump',
			'my%20db_2026-10-20T11:00:00Z.dump',
			'_.hid_2020-01-01T00:00:00Z.dump',
			'%2Ehid_2026-10-20T11:00:00Z.dump',
		);
		put('a_b_2020-01-01T00:00:00Z.dump', 'a%2Fb_2026-10-20T11:00:00Z.dump');
		const {left} = await purge(optionsFor(['my db', '.hid', 'a/b'], {databases: ['my db', '.hid', 'a/b', 'a_b']}));
		assert.deepEqual(left, [
			'%2Ehid_2026-10-20T11:00:00Z.dump',
			'a%2Fb_2026-10-20T11:00:00Z.dump',
			'a_b_2020-01-01T00:00:00Z.dump',
			'my%20db_2026-10-20T11:00:00Z.dump',
		]);
	});

	it('looks into the directory of each database', async () => {
		directory = join(directory, '{dbname}');
		for (const name of ['b1', 'b2']) {
			const own = join(directory.replace('{dbname}', name));
			mkdirSync(own);
			for (const time of ['2020-01-01T00:00:00Z', '2026-10-20T11:00:00Z'])
				writeFileSync(join(own, `${name}_${time}.dump`), 'x');
		}
		const errors = await purgeLocal({...optionsFor(['b1', 'b2', 'gone']), emit: () => undefined});
		assert.deepEqual(
			errors.map(error => error.code),
			['PURGE_FAILED'],
		);
		assert.match(errors[0]?.message ?? '', /could not purge .*\/gone\/: .*no such file/);
		for (const name of ['b1', 'b2']) assert.equal(readdirSync(directory.replace('{dbname}', name)).length, 1);
	});

	it('stops removing by age when a dump is from the future or the clock went back', async () => {
		put('b1_2020-01-01T00:00:00Z.dump', 'b1_2026-10-20T11:00:00Z.dump', 'b1_2031-01-01T00:00:00Z.dump');
		const {left, events} = await purge(optionsFor(['b1']));
		assert.equal(left.length, 3);
		assert.ok(
			events.some(
				event => event.type === 'file.kept' && /nothing is removed by age: b1_2031\S+ is dated/.test(event.reason),
			),
		);
		rmSync(join(directory, 'b1_2031-01-01T00:00:00Z.dump'));
		assert.equal((await purge(optionsFor(['b1'], {now: start - day}))).left.length, 2);
		assert.equal((await purge(optionsFor(['b1']))).left.length, 1);
	});

	it('reports every error and goes on', async () => {
		put(
			'b1_2020-01-01T00:00:00Z.dump',
			'b1_2020-01-02T00:00:00Z.dump',
			'b1_2020-01-03T00:00:00Z.dump',
			'b1_2026-10-20T11:00:00Z.dump',
		);
		const {plan} = await planLocalPurge(optionsFor(['b1']));
		// Directories in the place of two of the files: unlink cannot succeed, for root neither.
		for (const name of ['b1_2020-01-01T00:00:00Z.dump', 'b1_2020-01-02T00:00:00Z.dump']) {
			rmSync(join(directory, name));
			mkdirSync(join(directory, name));
		}
		const errors = await executeLocalPurge(plan, {
			emit: () => undefined,
			signal: new AbortController().signal,
			tag: 'abcdef',
		});
		assert.equal(errors.length, 2);
		assert.ok(errors.every(error => error.code === 'PURGE_FAILED' && /could not remove .*dump: /.test(error.message)));
		assert.equal(readdirSync(directory).length, 3);
	});
});

describe('a purge that is canceled', () => {
	it('says how far it came', async () => {
		put(...['01', '02', '03'].map(date => `b1_2020-01-${date}T00:00:00Z.dump`), 'b1_2026-10-20T11:00:00Z.dump');
		const controller = new AbortController();
		const events: NewEvent[] = [];
		const emit = (event: NewEvent) => {
			events.push(event);
			if (event.type === 'file.removed') controller.abort(new Error('stop'));
		};
		await assert.rejects(purgeLocal({...optionsFor(['b1'], {signal: controller.signal}), emit}), /stop/);
		assert.deepEqual(
			events.flatMap(event => (event.type === 'log' ? event.text : [])),
			['the purge of the backup directory was canceled after 1 of 3 removals'],
		);
		assert.equal(readdirSync(directory).length, 3);
	});
});

describe('manifests in a purge', () => {
	const oldRun = 'pg_back_2020-01-01T00:00:00Z.manifest.json';
	const record = (names: string[], changes = {}) => ({
		path: join(directory, oldRun),
		runId: 'old',
		time: Date.parse('2020-01-01T00:00:00Z'),
		files: names.map(name => ({path: join(directory, name), good: true, size: 1})),
		...changes,
	});

	it('go first, together with the last of their files', async () => {
		put(
			'b1_2020-01-01T00:00:00Z.dump',
			'b2_2020-01-01T00:00:00Z.dump',
			'b1_2026-10-20T11:00:00Z.dump',
			'b2_2026-10-20T11:00:00Z.dump',
			oldRun,
		);
		put('pg_back_2020-01-01T00:00:00Z.private.json.age');
		const names = ['b1_2020-01-01T00:00:00Z.dump', 'b2_2020-01-01T00:00:00Z.dump'];
		const one = await purge(optionsFor(['b1'], {records: [record(names)], databases: ['b1', 'b2']}));
		assert.ok(one.left.includes(oldRun) && one.left.includes(names[1]!) && !one.left.includes(names[0]!));
		const {plan} = await planLocalPurge(optionsFor(['b1', 'b2'], {records: [record(names)]}));
		const removed = [...planItems(plan)]
			.filter(item => item.action === 'remove')
			.map(item => item.path.slice(directory.length + 1));
		assert.deepEqual(removed, [oldRun, 'pg_back_2020-01-01T00:00:00Z.private.json.age', names[1]]);
	});

	it('of which nothing is known stay', async () => {
		put(oldRun);
		assert.deepEqual((await purge(optionsFor(['b1']))).left, [oldRun]);
		assert.deepEqual((await purge(optionsFor(['b1'], {records: [record(['b1_2020-01-01T00:00:00Z.dump'])]}))).left, []);
	});

	it('say which dumps are cut, failed, or of another cluster', async () => {
		const names = ['b1_2020-01-01T00:00:00Z.dump', 'b1_2020-01-02T00:00:00Z.dump', 'b1_2020-01-03T00:00:00Z.dump'];
		put(...names, oldRun);
		const files = names.map((name, index) => ({
			path: join(directory, name),
			good: index !== 2,
			size: index === 1 ? 99 : 1,
		}));
		assert.deepEqual((await purge(optionsFor(['b1'], {records: [record([], {files})]}))).left, [names[0], oldRun]);
		put(...names);
		const records = [record([], {files, server: {systemIdentifier: '1'}})];
		const own = {systemIdentifier: '2'};
		assert.equal((await purge(optionsFor(['b1'], {records, server: own}))).left.length, 4);
	});

	it('keep the files when they cannot be removed themselves', async () => {
		const names = ['b1_2020-01-01T00:00:00Z.dump'];
		put(...names, 'b1_2026-10-20T11:00:00Z.dump', oldRun);
		const {plan} = await planLocalPurge(optionsFor(['b1'], {records: [record(names)]}));
		rmSync(join(directory, oldRun));
		mkdirSync(join(directory, oldRun));
		const errors = await executeLocalPurge(plan, {
			emit: () => undefined,
			signal: new AbortController().signal,
			tag: 'abcdef',
		});
		assert.equal(errors.length, 1);
		assert.ok(readdirSync(directory).includes(names[0]!));
	});
});

describe(
	'a directory of several users',
	{skip: process.getuid?.() !== 0 && 'only root can give files to others'},
	() => {
		const foreign = (name: string) => chownSync(join(directory, name), 1, 1);

		it('keeps dumps made by others with all their files, reports them once, and does not count them', async () => {
			const theirs = ['b1_2020-01-01T00:00:00Z.dump', 'b1_2020-01-02T00:00:00Z.d'];
			const ours = ['b1_2020-01-03T00:00:00Z.dump', 'b1_2019-01-01T00:00:00Z.dump'];
			put(theirs[0]!, `${theirs[0]!}.sha256`, `${theirs[1]!}/toc.dat`, ...ours, 'b1_2026-10-20T11:00:00Z.dump');
			for (const name of theirs) foreign(name);
			const {left, errors, events} = await purge(optionsFor(['b1']));
			assert.deepEqual(errors, []);
			assert.deepEqual(left, [theirs[0], `${theirs[0]!}.sha256`, theirs[1], 'b1_2026-10-20T11:00:00Z.dump']);
			const reasons = events.flatMap(event => (event.type === 'file.kept' ? [event.reason] : []));
			assert.equal(reasons.filter(reason => reason === 'of another user (uid 1)').length, 3);
			const lines = events.flatMap(event => (event.type === 'log' ? [event.text] : []));
			assert.equal(lines.length, 1, lines.join('\n'));
			assert.match(
				lines[0] ?? '',
				/^not purged, although old: .*b1_2020-01-0\S+ \(of another user \(uid 1\)\), and 1 other dump/,
			);
		});

		it('keeps the last good dump that is ours, however many newer ones others have', async () => {
			put('b1_2020-01-02T00:00:00Z.dump', 'b1_2020-01-01T00:00:00Z.dump');
			foreign('b1_2020-01-02T00:00:00Z.dump');
			assert.equal((await purge(optionsFor(['b1']))).left.length, 2);
		});

		it('keeps a manifest of another user although none of its files is left', async () => {
			const path = 'pg_back_2020-01-01T00:00:00Z.manifest.json';
			put(path);
			foreign(path);
			const records = [{path: join(directory, path), runId: 'x', time: 0, files: []}];
			assert.deepEqual((await purge(optionsFor(['b1'], {records}))).left, [path]);
		});

		it('takes what belongs to the owner of the directory for its own when root purges', async () => {
			put('b1_2020-01-02T00:00:00Z.dump', 'b1_2026-10-20T11:00:00Z.dump');
			chownSync(directory, 1, 1);
			foreign('b1_2020-01-02T00:00:00Z.dump');
			assert.deepEqual((await purge(optionsFor(['b1']))).left, ['b1_2026-10-20T11:00:00Z.dump']);
		});
	},
);
