import assert from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {promisify} from 'node:util';
import {completionScript} from '../../source/cli/completion.js';
import {helpText, placeholder} from '../../source/cli/help.js';
import {manPage, optionsTable} from '../../source/cli/man.js';
import {configKeys, longFlags, options, shortFlags} from '../../source/config/options.js';

const run = promisify(execFile);
const shells = ['bash', 'zsh', 'fish'] as const;

test('the help names every option, has examples and is at most 100 columns wide', () => {
	const text = helpText();
	for (const long of longFlags.keys()) assert.ok(new RegExp(`--${long}(?![\\w-])`).test(text), long);
	for (const short of shortFlags.keys()) assert.ok(text.includes(`-${short}, `), short);
	assert.match(text, /\nExamples:\n {2}pg_back\n/);
	for (const line of text.split('\n')) {
		assert.ok(line.length <= 100, line);
		assert.equal(line, line.trimEnd());
	}
	assert.match(text, /--azure-endpoint TEXT.*\n.*default: blob\.core\.windows\.net/);
	assert.ok(!text.includes('undefined'));
});

test('what stands for a value', () => {
	assert.equal(placeholder(options.jobs), 'N');
	assert.equal(placeholder(options.encrypt), '');
	assert.equal(placeholder(options.deleteUploaded), 'yes|no');
	assert.equal(placeholder(options.timestampFormat), 'NAME');
});

test('the manual and the table for the README name every option and key', () => {
	const page = manPage('3.0.0').replaceAll('\\-', '-');
	const table = optionsTable();
	for (const long of longFlags.keys()) assert.ok(table.includes(`--${long}`), long);
	for (const long of [...longFlags].filter(([, {negative}]) => !negative).map(([one]) => one))
		assert.ok(page.includes(`--${long}`), long);
	for (const key of configKeys.keys()) {
		assert.ok(page.includes(`\n.B ${key}\n`), key);
		assert.ok(table.includes(`\`${key}\``), key);
	}
	for (const line of table.split('\n')) assert.equal(line.replaceAll('\\|', '').split('|').length, 5, line);
});

test('the manual is read without a complaint', async t => {
	const found = await run('groff', ['--version']).catch(() => undefined);
	if (found === undefined) {
		t.skip('groff is not installed');
		return;
	}
	const child = spawn('groff', ['-man', '-ww', '-Tascii'], {stdio: ['pipe', 'ignore', 'pipe']});
	let complaints = '';
	child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
	child.stdin.end(manPage('3.0.0'));
	const code = await new Promise(resolve => child.on('close', resolve));
	assert.deepEqual([code, complaints], [0, '']);
});

test('the completion of each shell knows every flag', () => {
	for (const shell of shells) {
		const script = completionScript(shell);
		for (const long of longFlags.keys())
			assert.ok(script.includes(shell === 'fish' ? `-l ${long}` : `--${long}`), `${shell} ${long}`);
		assert.ok(script.endsWith('\n') && !script.includes('undefined'));
	}
});

for (const shell of ['zsh', 'fish'] as const) {
	test(`${shell} accepts its script`, async t => {
		const found = await run(shell, ['--version']).catch(() => undefined);
		if (found === undefined) {
			t.skip(`${shell} is not installed`);
			return;
		}
		await run(shell, ['-n', await scriptFile(t, shell)]);
	});
}

async function scriptFile(
	t: {after: (done: () => Promise<void>) => void},
	shell: (typeof shells)[number],
): Promise<string> {
	const directory = await mkdtemp(join(tmpdir(), 'pg_back-completion-'));
	t.after(() => rm(directory, {recursive: true}));
	const path = join(directory, shell);
	await writeFile(path, completionScript(shell));
	return path;
}

test('bash completes flags, values, files and directories', async t => {
	const path = await scriptFile(t, 'bash');
	const complete = async (...words: readonly string[]) => {
		const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _pg_back; printf '%s\\n' "\${COMPREPLY[@]}"`;
		const {stdout} = await run('bash', ['-c', program, 'bash', path, 'pg_back', ...words], {cwd: '/'});
		return stdout.trim().split('\n');
	};
	assert.deepEqual(await complete('--form'), ['--format']);
	assert.deepEqual(await complete('--no-en'), ['--no-encrypt', '--no-encrypt-keep-src']);
	assert.deepEqual(await complete('--format', 'd'), ['directory']);
	assert.deepEqual(await complete('--format', '=', 'c'), ['custom']);
	assert.deepEqual(await complete('--format', '='), ['plain', 'custom', 'tar', 'directory']);
	assert.deepEqual(await complete('-F', 't'), ['tar']);
	assert.deepEqual(await complete('-b', '/et'), ['/etc']);
	assert.deepEqual(
		await complete('-c', '/etc/passw'),
		(await run('bash', ['-c', 'compgen -f /etc/passw'])).stdout.trim().split('\n'),
	);
	assert.deepEqual(await complete('-h', '-'), ['']);
	assert.deepEqual(await complete('myd'), ['']);
});

test('README, manual and pg_back.conf do not lag behind the options table', async () => {
	const top = new URL('../../', import.meta.url).pathname;
	await run(process.execPath, ['--import', 'tsx', 'scripts/docs.ts', '--check'], {cwd: top});
});
