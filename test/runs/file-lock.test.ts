import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {
	existsSync,
	linkSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import type {NewEvent} from '../../source/core/events.js';
import {lockedError, retryWhileStale, tryLock, tryLockBy} from '../../source/runs/file-lock.js';
import {runIsAlive, RunLocks} from '../../source/runs/run-locks.js';

const directory = mkdtempSync(join(tmpdir(), 'pgb-lock-'));
after(() => rmSync(directory, {recursive: true}));
const env = {PATH: process.env['PATH']};

test('there is one holder, whom the file names; the file is removed with the lock', async () => {
	const path = join(directory, 'deep/er/a.lock');
	const lock = await tryLock(path, env);
	assert.ok(lock);
	assert.equal(await tryLock(path, env), undefined);
	assert.match(readFileSync(path, 'utf8'), new RegExp(`^${process.pid} \\S+ \\d{4}-`));
	const error = await lockedError(path, 'a\u0007');
	assert.equal(error.exitCode, 11);
	assert.match(error.message, new RegExp(`for a\\S+: held by process ${process.pid} on `));
	assert.ok(!error.message.includes('\u0007'));
	await lock.release();
	assert.ok(!existsSync(path));
	await (await tryLock(path, env))?.release();
});

test('there are never two holders, however many processes take and release it at the same time', async () => {
	const path = join(directory, 'race.lock');
	let holders = 0;
	const work = async () => {
		for (let taken = 0; taken < 15;) {
			const lock = await tryLock(path, env);
			if (!lock) continue;
			holders++;
			assert.equal(holders, 1);
			await new Promise(resolve => setImmediate(resolve));
			holders--;
			taken++;
			await lock.release();
		}
	};
	await Promise.all([work(), work(), work()]);
});

test('a child that inherits the descriptor keeps the lock until it is gone', async () => {
	const path = join(directory, 'child.lock');
	const lock = await tryLock(path, env);
	assert.ok(lock);
	const child = spawn('cat', {stdio: ['pipe', 'ignore', 'ignore', lock.descriptor]});
	const text = readFileSync(path, 'utf8');
	await lock.release();
	writeFileSync(path, text); // as after a kill -9: the name is still there
	assert.ok(await tryLock(path, env), 'another file under the same name is another lock');
	child.stdin!.end();
	await once(child, 'exit');
});

test('another name of a held lock is held too, also for other programs; it is released alone, and free when its run is dead', async () => {
	const path = join(directory, 'named.lock');
	const [first, second] = [await tryLock(join(directory, 'one'), env), await tryLock(join(directory, 'two'), env)];
	assert.ok(first && second);
	const named = await tryLockBy(first, path, env);
	assert.ok(named);
	assert.equal(await tryLockBy(second, path, env), undefined);
	assert.equal(await tryLock(path, env), undefined);
	assert.match((await lockedError(path, 'x')).message, new RegExp(`held by process ${process.pid} on `));
	await named.release();
	assert.equal(await tryLock(first.path, env), undefined, 'the run holds its own still');
	const again = await tryLockBy(second, path, env);
	assert.ok(again);
	// As after a kill -9: the names stay, the lock is the kernel's.
	writeFileSync(`${path}.left`, '4194304 elsewhere 2001-01-01T00:00:00Z\n');
	assert.ok(await tryLockBy(first, `${path}.left`, env));
	for (const lock of [again, first, second]) await lock.release();
	assert.ok(!existsSync(path));
});

test('a dead holder is waited for, as its lock may be being looked at; a living one is not', async () => {
	const path = join(directory, 'waited.lock');
	let tries = 0;
	const taken = {path, descriptor: 0, release: async () => undefined};
	const third = async () => (++tries === 3 ? taken : undefined);
	writeFileSync(path, `4194304 ${hostname()} 2001-01-01T00:00:00Z\n`);
	assert.equal(await retryWhileStale(path, third), taken);
	writeFileSync(path, `${process.pid} ${hostname()} 2001-01-01T00:00:00Z\n`);
	tries = 0;
	assert.equal(await retryWhileStale(path, third), undefined);
	assert.equal(tries, 1);
	rmSync(path);
});

test('links are not followed, a directory in its place is an error', async () => {
	const victim = join(directory, 'victim');
	writeFileSync(victim, 'precious');
	symlinkSync(victim, join(directory, 'link.lock'));
	mkdirSync(join(directory, 'directory.lock'));
	await assert.rejects(tryLock(join(directory, 'link.lock'), env), {
		code: 'LOCKED',
		message: /is not a regular file/,
	});
	await assert.rejects(tryLock(join(directory, 'directory.lock'), env), {
		code: 'LOCKED',
		message: /is not a regular file/,
	});
	assert.equal(readFileSync(victim, 'utf8'), 'precious');
});

test('a pipe in its place is not waited for; planted text is not believed', async () => {
	const pipe = join(directory, 'pipe.lock');
	execFileSync('mkfifo', [pipe]);
	await assert.rejects(tryLock(pipe, env), {code: 'LOCKED', message: /is not a regular file/});
	assert.match((await lockedError(pipe, 'x')).message, /held by another process/);
	const path = join(directory, 'planted.lock');
	writeFileSync(path, `-1 host\u001B[31m now\u0007`);
	assert.match((await lockedError(path, 'x')).message, /held by another process/);
});

test('without flock(1) the error says what to install', async () => {
	await assert.rejects(tryLock(join(directory, 'none.lock'), {PATH: '/nonexistent'}), {
		code: 'FAILED',
		hint: /util-linux/,
	});
});

test('a run sweeps the partial files of dead runs, and only those', async () => {
	const place = join(directory, 'sweep');
	mkdirSync(place);
	const events: NewEvent[] = [];
	const alive = new RunLocks({tag: 'alive0', env, emit: () => undefined});
	await alive.directoryOf(join(place, 'x.dump'));
	for (const name of [
		'.pg_back-alive0-00000000.part',
		'.pg_back-dead00-00000000.part',
		'.pg_back-mine00-00000000.part',
		'.pg_back-dead00.part',
		'people.part',
	])
		writeFileSync(join(place, name), '');
	mkdirSync(join(place, '.pg_back-dead00-11111111.part'));
	writeFileSync(join(place, '.pg_back-dead00-11111111.part/toc.dat'), '');
	writeFileSync(join(place, '.pg_back-dead01.lock'), '');
	const mine = new RunLocks({tag: 'mine00', env, emit: event => events.push(event)});
	const lock = await mine.directoryOf(join(place, 'a_1.dump'));
	assert.equal(await mine.directoryOf(join(place, 'b_1.dump')), lock, 'one lock a directory');
	for (const [name, stays] of [
		['.pg_back-alive0-00000000.part', true],
		['.pg_back-mine00-00000000.part', true],
		['.pg_back-dead00-00000000.part', false],
		['.pg_back-dead00-11111111.part', false],
		['.pg_back-dead01.lock', false],
		['.pg_back-dead00.part', true],
		['people.part', true],
	] as const)
		assert.equal(existsSync(join(place, name)), stays, name);
	assert.equal(events.length, 2);
	assert.equal(await runIsAlive(place, 'alive0', env), true);
	assert.equal(await runIsAlive(place, 'dead00', env), false);
	await alive.release();
	assert.equal(await runIsAlive(place, 'alive0', env), false);
	await mine.release();
	assert.ok(!existsSync(join(place, '.pg_back-mine00.lock')));
});

test('the lock of a dead run under many names: all can be had at once, by one run or by two', async () => {
	for (let round = 0; round < 10; round++) {
		const place = join(directory, `dead${round}`);
		mkdirSync(place);
		const names = ['a', 'b', 'c', 'd'].map(name => join(place, `${name}.lock`));
		const own = join(place, '.pg_back-dead01.lock');
		writeFileSync(own, `4194304 ${hostname()} 2026-01-01T00:00:00.000Z\n`);
		for (const name of names) linkSync(own, name);
		const runs = [0, 1].map(index => new RunLocks({tag: `live0${index}`, env, emit: () => undefined}));
		const taken = await Promise.all(names.map((path, index) => runs[index % 2]!.database(path, path)));
		for (const lock of taken) await lock.release();
		for (const run of runs) await run.release();
		assert.deepEqual(readdirSync(place), []);
	}
});

test('a directory that could not be locked can be locked later; the locks of the others are released', async () => {
	const locks = new RunLocks({tag: 'aaaaaa', env, emit: () => undefined});
	const [good, blocked] = [join(directory, 'good'), join(directory, 'blocked')];
	writeFileSync(blocked, '');
	await assert.rejects(locks.directoryOf(join(blocked, 'a.dump')), {code: 'ENOTDIR'});
	await locks.directoryOf(join(good, 'a.dump'));
	rmSync(blocked);
	await locks.directoryOf(join(blocked, 'a.dump'));
	const other = join(directory, 'other');
	writeFileSync(other, '');
	const failing = locks.directoryOf(join(other, 'a.dump'));
	failing.catch(() => undefined); // asserted below
	await locks.release();
	await assert.rejects(failing);
	assert.deepEqual([...readdirSync(good), ...readdirSync(blocked)], []);
});
