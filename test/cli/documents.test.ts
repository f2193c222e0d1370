import assert from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {test} from 'node:test';
import {promisify} from 'node:util';
import {completionScript} from '../../source/cli/completion.js';
import {helpText, placeholder} from '../../source/cli/help.js';
import {manPage, optionsTable} from '../../source/cli/man.js';
import {configKeys, longFlags, options, shortFlags} from '../../source/config/options.js';
import {findTool, whyMissing} from '../helpers/tools.js';

const run = promisify(execFile);
const shells = ['bash', 'zsh', 'fish'] as const;

test('the help names every option, has examples and is at most 100 columns wide', () => {
	const text = helpText(100);
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
	const groff = findTool('groff');
	if (groff === undefined || !(await works(groff, ['-man', '-Tascii'], '.TH A 1\n'))) {
		t.skip(whyNot('groff', groff));
		return;
	}
	for (const device of ['utf8', 'ascii']) {
		const child = spawn(groff, ['-man', '-ww', `-T${device}`], {stdio: ['pipe', 'pipe', 'pipe']});
		let complaints = '';
		let page = '';
		child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
		child.stdout.setEncoding('utf8').on('data', (text: string) => (page += text));
		child.stdin.end(manPage('3.0.0'));
		const code = await new Promise(resolve => child.on('close', resolve));
		assert.deepEqual([code, complaints], [0, '']);
		assert.match(page, /checksum/);
	}
});

function whyNot(name: string, found: string | undefined): string {
	return found === undefined ? `no ${name}: ${whyMissing('shells')}` : `${found} does not run where it is`;
}

/** True when the program that was found can run where it is: one unpacked without root may miss its data. */
async function works(command: string, args: readonly string[], input = ''): Promise<boolean> {
	const child = spawn(command, args, {stdio: ['pipe', 'ignore', 'ignore']});
	child.stdin.on('error', () => undefined).end(input); // it may not read
	return new Promise(resolve => child.on('error', () => resolve(false)).on('close', code => resolve(code === 0)));
}

test('the completion of each shell knows every flag', () => {
	for (const shell of shells) {
		const script = completionScript(shell);
		for (const long of longFlags.keys())
			assert.ok(script.includes(shell === 'fish' ? `-l ${long}` : `--${long}`), `${shell} ${long}`);
		assert.ok(script.endsWith('\n') && !script.includes('undefined'));
	}
});

async function scriptFile(
	t: {after: (done: () => Promise<void>) => void},
	shell: (typeof shells)[number],
): Promise<string> {
	const directory = await mkdtemp(join(tmpdir(), 'pg_back-completion-'));
	t.after(() => rm(directory, {recursive: true}));
	const path = join(directory, shell === 'zsh' ? '_pg_back' : shell); // the name by which zsh finds it
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
	assert.deepEqual(await complete('--verify', 'bac'), ['backup']);
	assert.deepEqual(await complete('--verify', '=', 'bac'), ['backup']);
	assert.deepEqual(await complete('--verify', '--dry'), ['--dry-run']);
	assert.deepEqual(await complete('--check-config', 'f'), ['']);
	assert.deepEqual(
		await complete('-c', '/etc/passw'),
		(await run('bash', ['-c', 'compgen -f /etc/passw'])).stdout.trim().split('\n'),
	);
	assert.deepEqual(await complete('-h', '-'), ['']);
	assert.deepEqual(await complete('myd'), ['']);
});

async function linesOf(
	command: string,
	args: readonly string[],
	env: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
	const {stdout} = await run(command, args, {env: {...process.env, ...env}, cwd: '/'});
	return stdout.split('\n').filter(line => line !== '');
}

/** What is typed after `pg_back`, and what is offered for it. */
const completions: readonly (readonly [typed: string, offered: readonly string[]])[] = [
	['--form', ['--format']],
	['--no-en', ['--no-encrypt', '--no-encrypt-keep-src']],
	['--format ', ['custom', 'directory', 'plain', 'tar']],
	['-F t', ['tar']],
	['-v -F c', ['custom']],
	['--format=dir', ['directory']],
	['--purge-remote ', ['no', 'yes']],
	['--check-config=', ['connect', 'file', 'no']],
	['--check-config ', []],
	['--verify=bac', ['backup']],
	['--verify bac', ['backup']],
	['--verify --json --dry', ['--dry-run']],
	['-c /etc/passw', ['/etc/passwd']],
	['-b /et', ['/etc/']],
	['--jobs ', []],
	['myd', []],
];

test('zsh: what is offered', async t => {
	const zsh = findTool('zsh');
	if (
		zsh === undefined ||
		!(await works(zsh, ['-fc', 'zmodload zsh/zpty && zmodload zsh/zle && autoload +X compinit']))
	) {
		t.skip(whyNot('zsh', zsh));
		return;
	}
	const path = await scriptFile(t, 'zsh');
	await run(zsh, ['-n', path]);
	const harness = new URL('zsh-complete.zsh', import.meta.url).pathname;
	for (const [typed, offered] of completions) {
		const words: ReadonlySet<string> = new Set(
			await linesOf(zsh, ['-f', harness, dirname(path), `pg_back ${typed}`], {TERM: 'dumb'}),
		);
		// It completes paths part by part, and an option together with its value.
		const parts = offered.map(word => word.replace(/^\/etc\/$/, 'etc').replace('/etc/', ''));
		if (typed.includes('passw')) assert.ok(words.has('passwd'), typed);
		else assert.deepEqual([...words].sort(), parts, typed);
	}
});

test('fish: what is offered', async t => {
	const fish = findTool('fish');
	if (fish === undefined || !(await works(fish, ['--no-config', '-c', 'functions -q __fish_complete_directories']))) {
		t.skip(whyNot('fish', fish));
		return;
	}
	const path = await scriptFile(t, 'fish');
	await run(fish, ['--no-config', '-n', path]);
	const directory = await mkdtemp(join(tmpdir(), 'pg_back-fish-'));
	t.after(() => rm(directory, {recursive: true}));
	const homes = {HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory};
	for (const [typed, offered] of completions) {
		const program = 'source $argv[1]; complete -C $argv[2]';
		const lines = await linesOf(fish, ['--no-config', '-c', program, path, `pg_back ${typed}`], homes);
		const words = lines.map(line => line.replace(/\t.*/, '').replace(/^--[a-z-]+=/, ''));
		if (typed.includes('passw')) assert.ok(words.includes('/etc/passwd'), typed);
		else assert.deepEqual(words.toSorted(), offered, typed);
	}
});

test('README, manual and pg_back.conf do not lag behind the options table', async () => {
	const top = new URL('../../', import.meta.url).pathname;
	await run(process.execPath, ['--import', 'tsx', 'scripts/docs.ts', '--check'], {cwd: top});
});
