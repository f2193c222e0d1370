import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import type {RelationLock, ServerSample} from '../../source/postgres/progress-sample.js';
import {type JobLocks, LockGuard, LockWatch} from '../../source/progress/lock-guard.js';

const ours = new Map([
	[10, 'database:shop'],
	[11, 'database:shop'],
]);

function lock(pid: number, mode: string, granted: boolean, more: Partial<RelationLock> = {}): RelationLock {
	return {pid, application: `app${pid}`, database: 'shop', relation: 500, mode, granted, ...more};
}

function sample(time: number, locks: readonly RelationLock[]): ServerSample {
	return {time, sessions: [], locks};
}

describe('who waits for whom', () => {
	test('a writer behind the dump, and a reader behind the writer', () => {
		const watch = new LockWatch();
		const locks = [
			lock(10, 'AccessShareLock', true),
			lock(11, 'AccessShareLock', true),
			lock(20, 'AccessExclusiveLock', false, {query: "alter table t set (x = 'secret')", user: 'app'}),
			lock(21, 'AccessShareLock', false),
			lock(22, 'AccessShareLock', true),
		];
		watch.read(sample(1000, locks), ours);
		const {blocking, blockedBy} = watch.read(sample(5000, locks), ours).get('database:shop') ?? {
			blocking: [],
			blockedBy: [],
		};
		assert.deepEqual(blockedBy, []);
		assert.deepEqual(
			blocking.map(({pid, waiting, mode, statement}) => ({pid, waiting, mode, statement})),
			[
				{pid: 20, waiting: 4, mode: 'AccessExclusiveLock', statement: 'alter table t set (x = ?)'},
				{pid: 21, waiting: 4, mode: 'AccessShareLock', statement: undefined},
			],
		);
	});

	test('a wait that has nothing to do with us is none of ours', () => {
		const watch = new LockWatch();
		const locks = [lock(10, 'AccessShareLock', true), lock(20, 'ShareLock', true), lock(21, 'RowExclusiveLock', false)];
		assert.deepEqual([...watch.read(sample(1000, locks), ours)], []);
		assert.deepEqual(
			[...watch.read(sample(1000, [lock(20, 'AccessExclusiveLock', true), lock(21, 'RowExclusiveLock', false)]), ours)],
			[],
		);
	});

	test('the dump waits: for the holder, or for who waits before it and those who hold that one up', () => {
		const held = [
			lock(10, 'AccessShareLock', false, {waiting: 31}),
			lock(20, 'AccessExclusiveLock', true),
			lock(21, 'AccessShareLock', false),
		];
		assert.deepEqual(
			new LockWatch()
				.read(sample(1000, held), ours)
				.get('database:shop')
				?.blockedBy.map(one => [one.pid, one.waiting]),
			[[20, 31]],
		);
		const queued = [
			lock(10, 'AccessShareLock', false),
			lock(20, 'AccessExclusiveLock', false),
			lock(21, 'RowShareLock', true),
		];
		assert.deepEqual(
			new LockWatch()
				.read(sample(1000, queued), ours)
				.get('database:shop')
				?.blockedBy.map(one => one.pid),
			[20, 21],
		);
	});

	test('a wait that has ended is counted from 0 the next time', () => {
		const watch = new LockWatch();
		const locks = [lock(10, 'AccessShareLock', true), lock(20, 'AccessExclusiveLock', false)];
		watch.read(sample(1000, locks), ours);
		watch.read(sample(9000, []), ours);
		assert.equal(watch.read(sample(20_000, locks), ours).get('database:shop')?.blocking[0]?.waiting, 0);
	});
});

describe('reports and actions', () => {
	const behind = (waiting: number): JobLocks => ({
		blockedBy: [],
		blocking: [{relation: 1, database: 'shop', mode: 'AccessExclusiveLock', pid: 20, waiting}],
	});
	const held = (waiting: number): JobLocks => ({blockedBy: behind(waiting).blocking, blocking: []});

	test('a waiting dump is reported after 30 seconds, then once a minute', () => {
		const guard = new LockGuard({warnAfter: 30, onBlocking: 'warn', maxRequeues: 2});
		const told = Array.from({length: 200}, (_, second) => guard.judge('a', held(second), second * 1000).waiting.length);
		assert.deepEqual(
			told.flatMap((count, second) => (count > 0 ? [second] : [])),
			[30, 90, 150],
		);
	});

	test('warn: those behind are named after lock_warn_after, once a minute, and again when it happens again', () => {
		const guard = new LockGuard({warnAfter: 10, onBlocking: 'warn', maxRequeues: 2});
		const at = (second: number, locks: JobLocks) => guard.judge('a', locks, second * 1000);
		assert.equal(at(9, behind(9)).blocking.length, 0);
		assert.equal(at(10, behind(10)).blocking.length, 1);
		assert.equal(at(11, behind(11)).blocking.length, 0);
		assert.equal(at(12, {blockedBy: [], blocking: []}).blocking.length, 0);
		assert.deepEqual(at(25, behind(12)), {waiting: [], blocking: behind(12).blocking, action: 'none'});
	});

	test('cancel at once; requeue twice, then the dump goes through; 0 looks away', () => {
		const cancel = new LockGuard({warnAfter: 1, onBlocking: 'cancel', maxRequeues: 2});
		assert.equal(cancel.judge('a', behind(1), 1000).action, 'cancel');
		const requeue = new LockGuard({warnAfter: 1, onBlocking: 'requeue', maxRequeues: 2});
		assert.deepEqual(
			[1, 2, 3].map(second => requeue.judge('a', behind(second), second * 1000).action),
			['requeue', 'requeue', 'none'],
		);
		assert.equal(requeue.judge('b', behind(5), 5000).action, 'requeue');
		assert.equal(
			new LockGuard({warnAfter: 0, onBlocking: 'cancel', maxRequeues: 2}).judge('a', behind(500), 0).action,
			'none',
		);
	});
});
