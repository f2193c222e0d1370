/** Hooks: their order, their environment, and what their failures do. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'hooks'});
	await server.psql('postgres', 'create database a');
});
after(async () => server.stop());

const run = (directory: string, args: readonly string[], options = {}) =>
	runProgram([...connectTo(server, directory), '--dump-only', ...args, 'a'], options);

test('both run, the first before anything is there, the last when all is; lines go to the log', async () => {
	const directory = scratchDirectory('out');
	const note = join(scratchDirectory('hook'), 'note');
	const list = (when: string) =>
		`sh -c 'echo hello from ${when}; echo aside >&2; { echo ${when} $PGBK_STATUS; ls ${directory}; } >> ${note}'`;
	const ended = await run(directory, ['--pre-backup-hook', list('pre'), '--post-backup-hook', list('post')]);
	assert.equal(ended.code, 0, ended.stderr);
	assert.match(readFileSync(note, 'utf8'), /^pre\npost success\na_\S+\.dump\npg_back_\S+\n$/);
	assert.match(ended.stderr, /INFO: running pre-backup command: /);
	assert.match(ended.stderr, /INFO: pre-backup: hello from pre\n/);
	assert.match(ended.stderr, /INFO: post-backup: aside\n/);
	assert.ok(ended.stderr.indexOf('dump of a') < ended.stderr.indexOf('running post-backup'));
});

test('one that leaves a service behind, which holds its output: is over when it has ended', async () => {
	const directory = scratchDirectory('out');
	const pid = join(scratchDirectory('hook'), 'pid');
	const hook = `sh -c 'sleep 300 & echo $! > ${pid}; echo started'`;
	const begun = performance.now();
	const ended = await run(directory, ['--pre-backup-hook', hook]);
	try {
		assert.equal(ended.code, 0, ended.stderr);
		assert.match(ended.stderr, /INFO: pre-backup: started\n/);
		assert.ok(performance.now() - begun < 60_000);
	} finally {
		process.kill(Number(readFileSync(pid, 'utf8'))); // throws when we have ended it
	}
});

for (const [what, hook, message] of [
	['fails', 'sh -c "echo why >&2; exit 4"', /hook command failed: exit status 4/],
	['is not there', '/nonexistent/hook --x', /hook command failed: .*nonexistent/],
	['may not be run', '/etc/passwd', /hook command failed: .*(ermission denied|passwd)/],
] as const) {
	test(`a pre hook that ${what}: nothing is dumped, the post hook runs, exit 1`, async () => {
		const directory = scratchDirectory('out');
		const note = join(scratchDirectory('hook'), 'note');
		const ended = await run(directory, [
			'--pre-backup-hook',
			hook,
			'--post-backup-hook',
			`sh -c 'echo $PGBK_STATUS > ${note}'`,
		]);
		assert.equal(ended.code, 1, ended.stderr);
		assert.match(ended.stderr, message);
		assert.equal(readFileSync(note, 'utf8'), 'failure\n');
		assert.deepEqual(filesIn(directory, {manifests: true}), []);
	});

	test(`a post hook that ${what}: the dumps stay, exit 1`, async () => {
		const directory = scratchDirectory('out');
		const ended = await run(directory, ['--post-backup-hook', hook]);
		assert.equal(ended.code, 1, ended.stderr);
		assert.match(ended.stderr, message);
		assert.deepEqual(shapesIn(directory), ['a_T.dump']);
	});
}

test('after a failed run, and when the server is not there, the post hook runs and knows', async () => {
	const note = join(scratchDirectory('hook'), 'note');
	const post = ['--post-backup-hook', `sh -c 'echo $PGBK_STATUS $PGBK_EXIT_CODE > ${note}'`];
	assert.equal((await run(scratchDirectory('out'), [...post, 'nosuch'])).code, 1);
	assert.equal(readFileSync(note, 'utf8'), 'failure 1\n');
	const ended = await runProgram(['--no-config-file', '-h', '/nonexistent', '-b', scratchDirectory('out'), ...post]);
	assert.equal(ended.code, 12, ended.stderr);
	assert.equal(readFileSync(note, 'utf8'), 'failure 12\n');
});

test('before a hook runs, keys, tools and connection string are in order: none runs otherwise', async () => {
	const note = join(scratchDirectory('hook'), 'note');
	const hooks = ['--pre-backup-hook', `touch ${note}`, '--post-backup-hook', `touch ${note}`];
	for (const bad of [
		['-B', scratchDirectory('tools')],
		['--encrypt', '--cipher-public-key', 'age1nope'],
		['-d', 'host=x ='],
	]) {
		const ended = await run(scratchDirectory('out'), [...hooks, ...bad]);
		assert.notEqual(ended.code, 0);
		assert.ok(!existsSync(note), `${bad.join(' ')}\n${ended.stderr}`);
	}
});

test('11.4.41 a hook of blanks is refused; empty words reach the hook', async () => {
	assert.equal((await run(scratchDirectory('out'), ['--pre-backup-hook', '   '])).code, 2);
	const ended = await run(scratchDirectory('out'), ['--pre-backup-hook', `printf '[%s]' '' "a b" c\\ d`]);
	assert.match(ended.stderr, /pre-backup: \[\]\[a b\]\[c d\]/);
});

test('11.4.42 the lines of a hook come while it runs', async () => {
	const ended = await run(scratchDirectory('out'), [
		'-v',
		'--pre-backup-hook',
		'sh -c "echo one; sleep 0.6; echo two"',
	]);
	const times = [...ended.stderr.matchAll(/:(\d\d)\.(\d{6}) INFO: pre-backup: (?:one|two)/g)].map(match =>
		Number(`${match[1]}.${match[2]}`),
	);
	assert.equal(times.length, 2);
	assert.ok(((times[1] ?? 0) - (times[0] ?? 0) + 60) % 60 > 0.3, times.join(' '));
});
