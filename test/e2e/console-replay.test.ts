/** One recorded run told by the plain log and by the console; and what is loaded where there is no console. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {executedFunctions} from '../../scripts/executed-functions.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, programPath, runProgram, scratchDirectory} from '../helpers/program.js';
import {onTerminal} from './console-terminal.js';

let server: Cluster;
let recording = '';

before(async () => {
	server = await startCluster({name: 'console-replay'});
	await server.psql('postgres', 'create database alpha');
	await server.psql('postgres', 'create database beta');
	await server.psql('alpha', 'create table big as select i, md5(i::text) from generate_series(1, 5000) i');
	recording = join(scratchDirectory('recording'), 'run.jsonl');
	// A table that pg_dump cannot read.
	await server.psql(
		'beta',
		'create role reader login; create table secret as select 1 as i; grant pg_read_all_settings to reader',
	);
	const ended = await runProgram([
		...connectTo(server, scratchDirectory('recorded'), 'reader'),
		'-d',
		'postgres',
		'--log-format',
		'json',
		'alpha',
		'beta',
	]);
	assert.notEqual(ended.code, 0, ended.stdout);
	writeFileSync(recording, ended.stdout);
});
after(async () => server.stop());

describe('a recorded run', {timeout: 90_000}, () => {
	test('the screen tells the same facts as the plain log', async () => {
		const plain = await runProgram(['--replay', recording, '--speed', '1000']);
		assert.equal(plain.code, 0, plain.stderr);
		const rows = [...plain.stderr.matchAll(/INFO: (\S+) +(ok|failed|cancelled) +(-|\d\S* \S+) +\S+ +(.*)$/gm)];
		assert.ok(rows.length >= 2, plain.stderr);
		assert.ok(rows.some(([, , result]) => result === 'failed'));

		await using screen = await onTerminal(['--replay', recording, '--speed', '1000'], {columns: 140, rows: 40});
		await screen.sees('exit status');
		const shown = screen.lines();
		for (const [, name = '', result = '', size = '', why = ''] of rows) {
			const line = shown.find(one => one.slice(2).startsWith(`${name} `)) ?? '';
			assert.ok(line !== '', `${name} is on the screen:\n${shown.join('\n')}`);
			if (result === 'ok') assert.ok(line.includes(size), `${line} has ${size}`);
			// The row stands below its database's name: it leaves out which tool of which database ended how.
			else
				assert.ok(
					line.includes(why.replace(/^pg_dump of \S+: exit status \d+: (?:query failed: ERROR:\s+)?/, '').slice(0, 30)),
					`${line} says ${why}`,
				);
			assert.equal(line.includes('✗'), result === 'failed', line);
		}
		const [, counts = ''] = /INFO: (\d+ done.*)/.exec(plain.stderr) ?? [];
		screen.type('q');
		assert.equal(await screen.status(), 0);
		assert.ok(screen.text().includes(counts), `${screen.text()} has ${counts}`);
		for (const [, name = '', result = ''] of rows)
			assert.match(screen.text(), new RegExp(`${name} +│ ${result === 'ok' ? '✓' : '✗'} ${result}`));
	});
});

describe('what is loaded', {timeout: 60_000}, () => {
	/** Basenames of the chunks of dist/ that hold any of Ink or React. */
	async function consoleChunks(): Promise<Set<string>> {
		const {outputs} = JSON.parse(readFileSync(join(dirname(await programPath()), 'meta.json'), 'utf8')) as {
			outputs: Record<string, {inputs: Record<string, unknown>}>;
		};
		const holds = ({inputs}: {inputs: Record<string, unknown>}) =>
			Object.keys(inputs).some(path => /node_modules\/(ink|react|react-reconciler|yoga-layout)\//.test(path));
		return new Set(Object.entries(outputs).flatMap(([path, output]) => (holds(output) ? [basename(path)] : [])));
	}

	function recordingHook(): {readonly env: Record<string, string>; readonly loaded: () => string[]} {
		const directory = scratchDirectory('hook');
		const list = join(directory, 'loaded');
		const hook = join(directory, 'hook.mjs');
		writeFileSync(list, '');
		writeFileSync(
			hook,
			`import {registerHooks} from 'node:module';
			import {appendFileSync} from 'node:fs';
			registerHooks({load(url, context, next) { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context); }});`,
		);
		return {
			env: {NODE_OPTIONS: `--import=${hook}`},
			loaded: () =>
				readFileSync(list, 'utf8')
					.trim()
					.split('\n')
					.map(url => basename(url)),
		};
	}

	test('the packages that every run loads, and no others', async () => {
		const {outputs} = JSON.parse(readFileSync(join(dirname(await programPath()), 'meta.json'), 'utf8')) as {
			outputs: Record<string, {joined?: string; inputs: Record<string, unknown>}>;
		};
		const packagesOf = (file: string) => {
			const inputs = Object.values(outputs).flatMap(one => (one.joined === file ? Object.keys(one.inputs) : []));
			const names = inputs.flatMap(path => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
			return [...new Set(names)].toSorted();
		};
		// One static import of another package in what every run loads makes every run load it.
		assert.deepEqual(packagesOf('program.js'), ['fastest-levenshtein', 'ini', 'meow']);
		assert.ok(packagesOf('encryption.js').includes('age-encryption'));
	});

	test('what a backup executes is compiled when it is loaded', async () => {
		const coverage = scratchDirectory('coverage');
		const args = [...connectTo(server, scratchDirectory('covered')), 'alpha'];
		assert.equal((await runProgram(args, {env: {NODE_V8_COVERAGE: coverage}})).code, 0);
		const executed = await executedFunctions(coverage);
		const postponed = executed.filter(({isEager}) => !isEager).map(({name}) => name);
		assert.ok(executed.length > 300);
		// The list of them may be a little old; `npm run eager-functions` renews it.
		assert.ok(
			postponed.length < executed.length / 5,
			`${postponed.length} of ${executed.length}: ${postponed.join(' ')}`,
		);
	});

	test('Ink and React only for the console', async () => {
		const chunks = await consoleChunks();
		assert.ok(chunks.size > 0);
		const directory = scratchDirectory('loaded');
		for (const args of [
			[...connectTo(server, directory), 'alpha'],
			[...connectTo(server, directory), '--log-format', 'json', 'alpha'],
			['--replay', recording, '--speed', '1000'],
			['--help'],
		]) {
			const {env, loaded} = recordingHook();
			assert.equal((await runProgram(args, {env})).code, 0, args.join(' '));
			assert.ok(loaded().length > 1);
			assert.deepEqual(
				loaded().filter(name => chunks.has(name)),
				[],
				args.join(' '),
			);
		}
		{
			const {env, loaded} = recordingHook();
			await using screen = await onTerminal([...connectTo(server, directory), '--no-tui', 'alpha'], {env});
			assert.equal(await screen.status(), 0);
			assert.deepEqual(
				loaded().filter(name => chunks.has(name)),
				[],
			);
		}
		const {env, loaded} = recordingHook();
		await using screen = await onTerminal([...connectTo(server, directory), 'alpha'], {env});
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0);
		assert.ok(
			loaded().some(name => chunks.has(name)),
			'the hook sees what is loaded',
		);
	});
});
