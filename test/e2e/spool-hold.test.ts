/** `spool_limit`: pg_dump is held while too much of its dump waits here. All by state: what pg_dump writes waits for the test. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {areStopped} from '../../source/process/open-files.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, type Running, scratchDirectory, startProgram, withoutTime} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {configFile, regularFiles, runWithin, s3Settings} from './remote-places.js';
import {type S3Place, withServer} from './remote-s3.js';

const mebi = 1024 * 1024;
let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'spool-hold'});
	await cluster.psql('postgres', 'create database a');
});
after(async () => cluster.stop());

/** Seconds that a state may take to come about, on a machine with too much to do. */
const patience = 100;

type Steps = {readonly directory: string; readonly tools: string};

/**
 * A pg_dump with a worker. Each writes its part of the members 1 to `count`, of one MiB, each of them when the test lets
 * it; then the table of contents.
 */
function steps(count: number): Steps {
	const directory = scratchDirectory('steps');
	const {directory: tools} = recordingTools({
		pg_dump: `while [ "$1" != -f ]; do shift; done
write() {
	for i in $(seq $1 2 ${count}); do
		exec 5>"$2/$i.dat"
		until [ -e ${directory}/$i ]; do sleep 0.05; done
		head -c ${mebi} /dev/urandom >&5
		exec 5>&-
	done
}
echo $$ >${directory}/pid
write 1 "$2" &
write 2 "$2"
wait
until [ -e ${directory}/end ]; do sleep 0.05; done
if [ -e ${directory}/fail ]; then echo 'pg_dump: error: it broke' >&2; exit 1; fi
echo toc >"$2/toc.dat"`,
	});
	return {directory, tools};
}

const allow = ({directory}: Steps, ...names: readonly (number | string)[]) =>
	names.forEach(name => writeFileSync(join(directory, String(name)), ''));

const args = (place: S3Place, directory: string, tools: string, more: readonly string[] = []) => {
	const [, ...connection] = connectTo(cluster, directory);
	const config = configFile([
		...s3Settings(place.server.url),
		...['upload = s3', 'format = directory', 'spool_limit = 4M', 'local_copy = no', 'parallel_backup_jobs = 2'],
		'remote_timeout = 300',
		...more,
	]);
	return ['-c', config, ...connection, '-B', tools, '--dump-only', 'a'];
};

const dumpsOf = (keys: readonly string[]) => keys.filter(key => key.startsWith('a_')).map(withoutTime);
/** What is in a backup directory, without what every run leaves. */
const leftIn = (directory: string) => regularFiles(directory).filter(name => !name.includes('history'));

/** Members that are here, by name, with their bytes. */
function membersIn(directory: string): ReadonlyMap<string, number> {
	const spool = readdirSync(directory).find(name => name.endsWith('.part'));
	const names = spool === undefined ? [] : readdirSync(join(directory, spool));
	return new Map(
		names.map(name => [name, statSync(join(directory, spool ?? '', name), {throwIfNoEntry: false})?.size ?? 0]),
	);
}

const stateOf = (pid: number): string => {
	try {
		return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? '';
	} catch {
		return ''; // it has exited
	}
};
const pidOf = ({directory}: Pick<Steps, 'directory'>) => Number(readFileSync(join(directory, 'pid'), 'utf8'));
/** The states of all processes of pg_dump's group. */
function statesOf({directory}: Pick<Steps, 'directory'>): readonly string[] {
	if (!existsSync(join(directory, 'pid'))) return [];
	const group = String(pidOf({directory}));
	const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
	const isOfGroup = (pid: string) => {
		try {
			return (
				/ (\d+) \d+$/.exec(/\) \w \d+ \d+ \d+/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[0] ?? '')?.[1] ===
				group
			);
		} catch {
			return false; // it has exited
		}
	};
	return pids
		.filter(isOfGroup)
		.map(pid => stateOf(Number(pid)))
		.filter(state => state !== 'Z' && state !== '');
}
const isHeld = async (dump: Steps) => statesOf(dump).length > 0 && (await areStopped(pidOf(dump)));
const untilHeld = (dump: Steps) => waitFor(() => isHeld(dump), 'pg_dump to be held', patience);

/** A run that is held: five members of a MiB wait, and the service does not answer until `open`. */
async function withHeld(
	work: (held: {
		readonly place: S3Place;
		readonly directory: string;
		readonly dump: Steps;
		readonly running: Running;
		readonly open: () => void;
	}) => Promise<void>,
): Promise<void> {
	let open = () => {};
	const opened = new Promise<void>(resolve => (open = resolve));
	let waiting = 0;
	const before = async (action: string) => {
		if (action !== 'PutObject') return;
		waiting++;
		await opened;
	};
	await withServer({before}, async place => {
		const directory = scratchDirectory('spool');
		const dump = steps(10);
		const running = await startProgram(args(place, directory, dump.tools));
		allow(dump, 1, 2, 3, 4, 5);
		try {
			await untilHeld(dump);
			await waitFor(() => Promise.resolve(waiting > 0), 'a member to arrive', patience);
			await work({place, directory, dump, running, open});
		} finally {
			open();
			running.child.kill('SIGKILL');
			await running.ended;
		}
	});
}

test('held with its workers above the limit, continued below it, and whole in the end', async () => {
	await withHeld(async ({place, directory, dump, running, open}) => {
		allow(dump, 6, 7, 8, 9, 10, 'end');
		const members = membersIn(directory);
		assert.deepEqual(members.get('5.dat'), mebi);
		assert.ok([...members.values()].reduce((sum, size) => sum + size, 0) <= 5 * mebi, [...members].join(' '));
		assert.deepEqual(await place.keys(), []);
		open();
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.match(stderr, /WARN.*pg_dump of a is held: 5.0 MiB wait for the upload; its snapshot stays open/);
		assert.match(stderr, /pg_dump of a was held for .* in total/);
		const names = [...Array.from({length: 10}, (_, index) => `${index + 1}.dat`), 'toc.dat'];
		assert.deepEqual(dumpsOf(await place.keys()).sort(), names.map(name => `a_T.d/${name}`).sort());
		const keys = place.server.requests.flatMap(({action, key}) => (action === 'PutObject' ? [key] : []));
		assert.equal(
			keys
				.filter(key => key.startsWith('a_'))
				.at(-1)
				?.endsWith('/toc.dat'),
			true,
		);
		assert.deepEqual(leftIn(directory), []);
	});
});

test('a process that another program continues is held again', async () => {
	await withHeld(async ({dump, running, open}) => {
		const group = pidOf(dump);
		for (let round = 0; round < 3; round++) {
			process.kill(-group, 'SIGCONT');
			await untilHeld(dump);
		}
		allow(dump, 6, 7, 8, 9, 10, 'end');
		open();
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
	});
});

test('SIGTERM while it is held: it ends, and nothing is left here or there', async () => {
	await withHeld(async ({place, directory, dump, running, open}) => {
		running.child.kill('SIGTERM');
		open(); // the requests that were complete are answered
		const {code, stderr} = await running.ended;
		assert.notEqual(code, 0, stderr);
		assert.deepEqual(statesOf(dump), []);
		assert.deepEqual(dumpsOf(await place.keys()), []);
		assert.equal(place.server.uploads.size, 0);
		assert.deepEqual(leftIn(directory), []);
	});
});

test('SIGKILL while it is held: pg_dump does not survive, and the next run removes what was stored', async () => {
	await withHeld(async ({place, directory, dump, running, open}) => {
		running.child.kill('SIGKILL');
		await running.ended;
		open();
		await waitFor(() => Promise.resolve(statesOf(dump).length === 0), 'pg_dump to end', patience);
		// The service had these requests already.
		await waitFor(async () => dumpsOf(await place.keys()).length > 0, 'a member', patience);
		assert.ok(!dumpsOf(await place.keys()).includes('a_T.d/toc.dat'));
		const next = steps(2);
		allow(next, 1, 2, 'end');
		const {code, stderr} = await runWithin(args(place, directory, next.tools));
		assert.equal(code, 0, stderr);
		assert.match(stderr, /removing a_.*: \d members? of the unfinished dump of a run that was killed/);
		assert.deepEqual(dumpsOf(await place.keys()).sort(), ['a_T.d/1.dat', 'a_T.d/2.dat', 'a_T.d/toc.dat']);
		assert.deepEqual(leftIn(directory), []);
	});
});

test('a table that is larger than the limit is dumped, with a warning that names it', async () => {
	await withServer({}, async place => {
		const directory = scratchDirectory('spool');
		const {directory: tools} = recordingTools({
			pg_dump: `while [ "$1" != -f ]; do shift; done
				exec 5>"$2/77.dat"; head -c ${6 * mebi} /dev/urandom >&5
				until [ -e ${directory}/../go-${process.pid} ]; do sleep 0.05; done
				exec 5>&-; echo toc >"$2/toc.dat"`,
		});
		const running = await startProgram(args(place, directory, tools));
		await running.untilLog(/WARN.* MiB are on this disk, more than spool_limit allows: .*\(77\.dat\)/);
		writeFileSync(join(directory, '..', `go-${process.pid}`), '');
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.deepEqual(dumpsOf(await place.keys()).sort(), ['a_T.d/77.dat', 'a_T.d/toc.dat']);
	});
});

for (const [what, names, text] of [
	['pg_dump fails', ['end', 'fail'], /it broke/],
	[
		'the service refuses a member',
		['end'],
		/the upload of the dump failed, and there is no local copy: .*could not upload a_/,
	],
] as const) {
	test(`${what} after some members are stored: nothing is left here or there, and a retry dumps again`, async () => {
		let isFull = false;
		const may = (_id: string, action: string) => !(isFull && action === 'PutObject');
		await withServer({may}, async place => {
			const directory = scratchDirectory('spool');
			const dump = steps(4);
			const running = await startProgram(args(place, directory, dump.tools));
			allow(dump, 1, 2, 3);
			await waitFor(async () => (await place.keys()).length === 3, 'three members', patience);
			isFull = what !== 'pg_dump fails';
			allow(dump, 4, ...names);
			const {code, stderr} = await running.ended;
			assert.equal(code, 1, stderr);
			assert.match(stderr, text);
			isFull = false;
			assert.deepEqual(dumpsOf(await place.keys()), []);
			assert.equal(place.server.uploads.size, 0);
			assert.deepEqual(leftIn(directory), []);
			const next = steps(1);
			allow(next, 1, 'end');
			const again = await runWithin(args(place, directory, next.tools));
			assert.equal(again.code, 0, again.stderr);
			assert.deepEqual(dumpsOf(await place.keys()).sort(), ['a_T.d/1.dat', 'a_T.d/toc.dat']);
		});
	});
}

test('a failed run that could not remove its members: the next one does', async () => {
	let isBroken = true;
	const may = (_id: string, action: string) => !(isBroken && action.startsWith('DeleteObject'));
	await withServer({may}, async place => {
		const directory = scratchDirectory('spool');
		const dump = steps(2);
		allow(dump, 1, 2, 'fail');
		const running = await startProgram(args(place, directory, dump.tools));
		await waitFor(async () => (await place.keys()).length === 2, 'two members', patience);
		allow(dump, 'end');
		const {code, stderr} = await running.ended;
		assert.equal(code, 1, stderr);
		assert.match(
			stderr,
			/WARN.*a_.*and 1 more file of the failed dump are still at s3:\/\/bucket\/.*the next run removes them/,
		);
		assert.equal(dumpsOf(await place.keys()).length, 2);
		isBroken = false;
		const next = steps(1);
		allow(next, 1, 'end');
		const again = await runWithin(args(place, directory, next.tools));
		assert.equal(again.code, 0, again.stderr);
		assert.deepEqual(dumpsOf(await place.keys()).sort(), ['a_T.d/1.dat', 'a_T.d/toc.dat']);
		assert.deepEqual(leftIn(directory), []);
	});
});

test('a checksum file that is refused takes the whole dump with it', async () => {
	const may = (_id: string, action: string, key: string) => !(action === 'PutObject' && key.endsWith('.sha256'));
	await withServer({may}, async place => {
		const directory = scratchDirectory('spool');
		const dump = steps(2);
		allow(dump, 1, 2, 'end');
		const {code, stderr} = await runWithin(args(place, directory, dump.tools, ['checksum_algorithm = sha256']));
		assert.equal(code, 1, stderr);
		assert.deepEqual(dumpsOf(await place.keys()), []);
		assert.deepEqual(leftIn(directory), []);
	});
});

test('what is already under the same name is not touched', async () => {
	await withServer({}, async place => {
		const directory = scratchDirectory('spool');
		const dump = steps(1);
		const running = await startProgram(args(place, directory, dump.tools));
		const spool = await waitFor(
			() => Promise.resolve(readdirSync(directory).find(name => name.endsWith('.part'))),
			'the dump to begin',
			patience,
		);
		// The name of the dump is known to nobody yet but the run: all that are possible are taken.
		const started = statSync(join(directory, spool)).ctimeMs;
		for (let second = -60; second <= 1; second++) {
			const time = new Date(started + second * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
			place.server.objects.set(`a_${time}.d/toc.dat`, {
				bytes: Buffer.from('x'),
				size: 1,
				etag: '"x"',
				modified: started,
				headers: {},
				version: '1',
			});
		}
		const known = await place.keys();
		allow(dump, 1, 'end');
		const {code, stderr} = await running.ended;
		assert.equal(code, 1, stderr);
		assert.match(stderr, /there is already a_.*\/toc\.dat at s3:/);
		assert.deepEqual(
			(await place.keys()).filter(key => key.startsWith('a_')),
			known,
		);
		assert.deepEqual(leftIn(directory), []);
	});
});
