import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test, type TestContext} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {root} from '../helpers/tools.js';

type Demo = {readonly child: ChildProcess; readonly scratch: string; readonly output: () => string};

/** The demo without a terminal, with all that it makes below a folder of the test's. */
function startDemo(context: TestContext, args: readonly string[] = []): Demo {
	const scratch = mkdtempSync(join(tmpdir(), 'pg_back-demo-test-'));
	// The server's user must get through, as it does below /tmp.
	chmodSync(scratch, 0o711);
	const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/demo.ts', ...args], {
		cwd: root,
		env: {...process.env, TMPDIR: scratch},
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let text = '';
	for (const stream of [child.stdout, child.stderr])
		stream.setEncoding('utf8').on('data', (data: string) => (text += data));
	context.after(() => {
		child.kill('SIGKILL');
		rmSync(scratch, {recursive: true, force: true});
	});
	return {child, scratch, output: () => text};
}

/** Between two looks at a condition. */
const nextLook = async (): Promise<void> => sleep(20);

async function untilItSays({child, output}: Demo, pattern: RegExp): Promise<void> {
	while (!pattern.test(output())) {
		await nextLook();
		assert.equal(child.exitCode, null, `ended early:\n${output()}`);
	}
}

async function exitOf({child}: Demo): Promise<number | null> {
	if (child.exitCode === null) await once(child, 'close');
	return child.exitCode;
}

test('the demo dumps, proves a dump by restoring it, and leaves nothing', async context => {
	const demo = startDemo(context);
	assert.equal(await exitOf(demo), 0, demo.output());
	assert.match(demo.output(), /sha256sum -c: \d+ files are as they were written/);
	const flowing = demo.output().replaceAll(/\s+/g, ' ');
	assert.match(flowing, /restored shop as shop_restored, from \S+: 3 tables, 170000 rows, the same as the original/);
	assert.match(flowing, /dumped \d+ databases and \d+ other files/);
	// One line for each dump, and a report that fits a screen.
	const lines = demo.output().split('\n');
	assert.equal(lines.filter(line => /INFO: dump of shop /.test(line)).length, 1, demo.output());
	assert.ok(lines.length < 70, demo.output());
	assert.deepEqual(leftIn(demo.scratch), []);
});

for (const [when, pattern] of [
	['while the server is filled', /^/],
	['during the dump', /\$ pg_back/],
] as const) {
	test(`a demo interrupted ${when} ends with 130 and leaves nothing`, async context => {
		const demo = startDemo(context);
		if (when === 'during the dump') await untilItSays(demo, pattern);
		else await untilThereIs(demo, 'server');
		demo.child.kill('SIGINT');
		assert.equal(await exitOf(demo), 130, demo.output());
		assert.deepEqual(leftIn(demo.scratch), []);
	});
}

test('a demo that cannot reach the named server fails and leaves nothing', async context => {
	const demo = startDemo(context, ['--no-config-file', '-h', '/nonexistent']);
	assert.equal(await exitOf(demo), 1);
	assert.match(demo.output(), /pg_back ended with exit status 12/);
	assert.deepEqual(leftIn(demo.scratch), []);
});

/** The compiler's cache of tsx is not the demo's. */
function leftIn(scratch: string): string[] {
	return readdirSync(scratch).filter(name => !name.startsWith('tsx-') && !name.startsWith('node-compile-cache'));
}

async function untilThereIs({child, scratch, output}: Demo, name: string): Promise<void> {
	const isThere = (): boolean =>
		readdirSync(scratch, {recursive: true}).some(path => String(path).endsWith(`/${name}`));
	while (!isThere()) {
		assert.equal(child.exitCode, null, `ended early:\n${output()}`);
		await nextLook();
	}
}
