import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {root} from '../helpers/tools.js';

const scratch = mkdtempSync(join(tmpdir(), 'pg_back-runner-test-'));
after(() => rmSync(scratch, {recursive: true, force: true}));

/** Runs scripts/test.ts over one test file with the given text. */
function runTests(text: string): {readonly status: number | null; readonly lines: readonly string[]} {
	const file = join(scratch, 'some.test.ts');
	writeFileSync(file, text);
	const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'NODE_TEST_CONTEXT'));
	const {status, stdout} = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/test.ts', file], {
		cwd: root,
		env,
		encoding: 'utf8',
	});
	return {status, lines: stdout.trimEnd().split('\n')};
}

const imports = "import {test} from 'node:test';\n";

test('the closing line counts passed, failed and skipped, and the status tells', () => {
	const good = runTests(`${imports}test('a', () => {}); test('b', {skip: 'no frobnicator here'}, () => {});`);
	assert.equal(good.status, 0);
	assert.equal(good.lines.at(-1), '1 passed, 0 failed, 1 skipped');
	assert.ok(good.lines.includes('skipped: no frobnicator here'));

	const bad = runTests(
		`${imports}test('a', () => {}); test('outer', t => t.test('b', () => { throw new Error('oops'); }));`,
	);
	assert.equal(bad.status, 1);
	assert.match(bad.lines.at(-1)!, /^1 passed, 2 failed, 0 skipped$/);
	assert.match(bad.lines.join('\n'), /outer › b\n\s+Error: oops/);
});

test('what looks like success but is none fails', async context => {
	for (const [name, text, closing] of [
		[
			'a skip without a reason',
			`${imports}test('a', () => {}); test('b', {skip: true}, () => {});`,
			'1 passed, 1 failed, 0 skipped',
		],
		['a file without a test', 'export {};', '0 passed, 0 failed, 0 skipped'],
		['a file that cannot be loaded', "throw new Error('at load');", '0 passed, 1 failed, 0 skipped'],
		['only skips', `${imports}test('b', {skip: 'no'}, () => {});`, '0 passed, 0 failed, 1 skipped'],
	] as const) {
		await context.test(name, () => {
			const {status, lines} = runTests(text);
			assert.equal(status, 1);
			assert.equal(lines.at(-1), closing);
		});
	}
});

test('with-setup gives arguments, exit status and signals to the script', async () => {
	const script = join(scratch, 'script.ts');
	writeFileSync(
		script,
		"process.on('SIGTERM', () => process.exit(7)); process.stdout.write(process.argv.slice(2).join()); setInterval(() => {}, 1000);",
	);
	const child = spawn(process.execPath, ['scripts/with-setup.mjs', script, 'a', 'b c'], {
		cwd: root,
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	const [output] = (await once(child.stdout, 'data')) as [Buffer];
	assert.equal(output.toString(), 'a,b c');
	child.kill('SIGTERM');
	assert.deepEqual(await once(child, 'exit'), [7, null]);
});
