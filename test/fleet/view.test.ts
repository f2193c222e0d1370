/** The view of the fleet: what is judged of a server, and what the built program prints. */
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {verdictMarks} from '../../source/core/fleet.js';
import {checkFleetAge} from '../../source/fleet/check-fleet-age.js';
import {viewOf} from '../../source/fleet/judge.js';
import {fleetTable} from '../../source/fleet/print-fleet.js';
import type {FleetServer} from '../../source/fleet/read-fleet.js';
import type {RunningStatus, ServerStatus} from '../../source/fleet/status.js';
import {runProgram, scratchDirectory} from '../helpers/program.js';

const hour = 3_600_000;

/** `now` is a time that the judged ones are relative to. */
function ago(hours: number, now: number): string {
	return new Date(now - hours * hour).toISOString();
}

function status(server: string, hours: number, now: number, more: Partial<ServerStatus> = {}): ServerStatus {
	return {
		schema: 1,
		server,
		host: 'h',
		version: '3.0.0',
		runId: `run of ${server}`,
		start: ago(hours + 1, now),
		end: ago(hours, now),
		exitCode: 0,
		outcome: 'done',
		databases: [{database: 'app', lastGood: {time: ago(hours + 1, now), bytes: 2048, seconds: 60}}],
		...more,
	};
}

function running(server: string, hours: number, updated: number, now: number): RunningStatus {
	return {
		schema: 1,
		server,
		host: 'h',
		runId: 'other run',
		start: ago(hours, now),
		updated: ago(updated, now),
		progress: 612,
		estimated: true,
	};
}

describe('a server', () => {
	const now = Date.UTC(2026, 10, 28, 12);
	const found = (more: Partial<FleetServer>): FleetServer => ({server: 'db1', expected: false, ...more});

	for (const [what, server, verdict, reason] of [
		['that did well', found({status: status('db1', 2, now)}), 'ok', ''],
		['with an old dump', found({status: status('db1', 25, now)}), 'warning', 'oldest good dump is older than 24h'],
		['that never reported', found({expected: true}), 'failed', 'never reported'],
		[
			'that is silent',
			found({status: status('db1', 30, now, {expectEvery: 26 * 3600})}),
			'failed',
			'silent: no backup has ended for 30h, expected every 26h; oldest good dump is older than 26h',
		],
		['that failed', found({status: status('db1', 2, now, {exitCode: 12})}), 'failed', 'last backup: exit status 12'],
		[
			'whose backup hangs',
			found({status: status('db1', 20, now), running: running('db1', 3, 1, now)}),
			'failed',
			'its backup died or hangs: no report for 1h',
		],
		['whose backup runs', found({status: status('db1', 20, now), running: running('db1', 3, 0.05, now)}), 'ok', ''],
		[
			'whose run left its mark, without the right to remove it',
			found({status: status('db1', 2, now, {runId: 'other run'}), running: running('db1', 3, 3, now)}),
			'ok',
			'',
		],
		[
			'whose status is dated in the future',
			found({status: status('db1', -2, now)}),
			'failed',
			'status is dated in the future; no good dump of app',
		],
		['whose status is unreadable', found({problem: 'unreadable status: no'}), 'failed', 'unreadable status: no'],
		[
			'with a database that was never dumped',
			found({status: status('db1', 2, now, {databases: [{database: 'new'}]})}),
			'failed',
			'no good dump of new',
		],
	] as const) {
		test(what, () => {
			const view = viewOf(server, now);
			assert.deepEqual([view.verdict, view.reasons.join('; ')], [verdict, reason]);
		});
	}

	test('has one line in the table', () => {
		const drill = status('db1', 200, now, {databases: [{database: 'app', lastProven: ago(216, now)}]});
		const shown = (more: Partial<FleetServer>) =>
			fleetTable([viewOf(found(more), now)], verdictMarks(false), false)[1]?.replaceAll(/ +/g, ' ');
		assert.equal(
			shown({status: status('db1', 40, now, {exitCode: 12}), drill}),
			'✗ db1 1 41h app failed 12, 40h ago 2.0 KiB 9d last backup: exit status 12; oldest good dump is older than 24h',
		);
		assert.equal(
			shown({status: status('db1', 6, now), running: running('db1', 3, 0.01, now)}),
			' db1 1 7h app running 3h, ~61 % 2.0 KiB never',
		);
	});

	test('the check names each database that is too old, and as many as fit', () => {
		const views = Array.from({length: 214}, (_, index) =>
			viewOf(found({server: `db${index}`, status: status(`db${index}`, index < 3 ? 40 : 6, now)}), now),
		);
		const {text, status: code} = checkFleetAge(views, 26 * hour);
		assert.equal(code, 2);
		assert.match(
			text,
			/^PG_BACK CRITICAL - 3 of 214 servers: db0\/app 41h, db1\/app 41h, db2\/app 41h \| servers=214 failed=3/,
		);
		const all = checkFleetAge(views, hour);
		assert.match(all.text, /^PG_BACK CRITICAL - 214 of 214 servers: .* and \d+ more \| /);
		assert.ok(all.text.length < 2300);
		assert.match(
			checkFleetAge(views, 48 * hour).text,
			/^PG_BACK OK - 214 servers, 214 databases, oldest good backup 1d17h \| /,
		);
		assert.equal(checkFleetAge([], hour).status, 3);
	});
});

describe('the program', () => {
	const now = Date.now();

	function fleet(objects: Readonly<Record<string, unknown>>): readonly string[] {
		const remote = scratchDirectory('fleet');
		mkdirSync(join(remote, 'f/status'), {recursive: true});
		for (const [name, content] of Object.entries(objects))
			writeFileSync(join(remote, 'f', name), typeof content === 'string' ? content : JSON.stringify(content));
		return ['--no-config-file', `--local-directory=${remote}`, '--fleet-prefix=f'];
	}

	const healthy = {
		'status/a.json': status('a', 2, now),
		'status/b.json': status('b', 3, now),
		'status/b.running.json': running('b', 1, 0.01, now),
	};
	const hostile = {
		'status/c.json': '{"schema":1,"server":"c","databases":[{"database":"\\u001b[2Jx"}]}',
		'status/d.json': JSON.stringify({...status('e', 2, now)}),
		'status/e.json': '['.repeat(200_000),
		'status/f.drill.json': 'null',
		'status/g.json': JSON.stringify({...status('g', 2, now), end: '+275760-09-13T00:00:00.000Z'}),
		'status/h.json': JSON.stringify(status('h', 2, now, {databases: [{database: '\u001b[2J|x'}]})),
		'status/\u001b[31mx.json': JSON.stringify(status('\u001b[31mx', 2, now)),
		'status/__proto__.json': JSON.stringify(status('__proto__', 2, now)),
		'status/other.txt': 'x',
		'expected.txt': '# all\na\nz # never\n\u001b[2Jevil\n',
	};

	test('shows the servers, those that match, and each database', async () => {
		const args = fleet(healthy);
		const all = await runProgram([...args, '--fleet', 'local']);
		assert.equal(all.code, 0, all.stderr);
		assert.match(all.stdout, /^ +server +databases +oldest good +last backup +size +proven$/m);
		assert.match(all.stdout, /^ +a +1 +3h app +ok, 2h ago +2\.0 KiB +never$/m);
		assert.match(all.stdout, /^ +b +1 +4h app +running 1h, ~61 % /m);
		assert.match(all.stdout, /^2 servers: 0 failed, 0 warnings$/m);
		const some = await runProgram([...args, '--fleet', 'local', '--long', 'a*']);
		assert.match(some.stdout, /^1 server: /m);
		assert.match(some.stdout, /^ +app +3h +2\.0 KiB +never$/m);
		const none = await runProgram([...args, '--fleet', 'local', 'nothing']);
		assert.equal(none.code, 1);
		assert.match(none.stderr, /no server of the fleet matches nothing/);
	});

	test('believes nothing that others may have written', async () => {
		const args = fleet({...healthy, ...hostile});
		const table = await runProgram([...args, '--fleet', 'local', '--long']);
		assert.equal(table.code, 0, table.stderr);
		assert.doesNotMatch(table.stdout + table.stderr, /\u001b/);
		for (const name of ['c', 'd', 'e', 'f', 'g', 'h', 'z'])
			assert.match(table.stdout, new RegExp(`^✗ +${name} `, 'm'), name);
		assert.match(table.stdout, /^✗ +z .*never reported$/m);
		const json = await runProgram([...args, '--fleet', 'local', '--json']);
		const objects = json.stdout
			.trimEnd()
			.split('\n')
			.map(line => JSON.parse(line) as {server: string; verdict: string});
		assert.equal(objects.find(({server}) => server === 'd')?.verdict, 'failed');
		assert.equal(objects.find(({server}) => server === '__proto__')?.verdict, 'ok');
		const check = await runProgram([...args, '--fleet', 'local', '--check-age', '26h']);
		assert.equal(check.code, 2);
		assert.match(check.stdout, /^PG_BACK CRITICAL - 9 of 12 servers: [^|\u001b]* \| [^|]*\n$/);
		assert.match(check.stdout, /z: never reported/);
	});

	test('checks the age of all', async () => {
		const good = await runProgram([...fleet(healthy), '--check-age', '26h', '--fleet', 'local']);
		assert.deepEqual([good.code, good.stdout.split(',')[0]], [0, 'PG_BACK OK - 2 servers']);
		const empty = await runProgram([...fleet({}), '--check-age', '26h', '--fleet', 'local']);
		assert.equal(empty.code, 3);
		const away = await runProgram([
			...fleet({}).slice(0, 1),
			'--local-directory=/nowhere',
			'--fleet-prefix=f',
			'--check-age=1h',
			'--fleet=local',
		]);
		assert.equal(away.code, 3, away.stdout);
		assert.match(away.stdout, /^PG_BACK UNKNOWN - /);
	});

	test('writes metrics', async () => {
		const file = join(scratchDirectory('metrics'), 'fleet.prom');
		const {code, stderr, stdout} = await runProgram([...fleet(healthy), '--fleet-metrics', file, 'local']);
		assert.deepEqual([code, stdout], [0, ''], stderr);
		const text = readFileSync(file, 'utf8');
		assert.match(text, /^pg_back_fleet_server_ok\{server="a"\} 1$/m);
		assert.match(text, /^pg_back_fleet_server_running\{server="b"\} 1$/m);
		assert.match(text, /^pg_back_fleet_server_oldest_good_timestamp_seconds\{server="a"\} \d{10}$/m);
	});

	for (const [args, text] of [
		[['--fleet-metrics', '/tmp/x'], /--fleet-metrics needs the store/],
		[['--fleet', 'local'], /set fleet_prefix/],
	] as const) {
		test(`${args[0]} alone is refused`, async () => {
			const {code, stderr} = await runProgram(['--no-config-file', '--local-directory=/tmp', ...args]);
			assert.equal(code, 2);
			assert.match(stderr, text);
		});
	}
});
