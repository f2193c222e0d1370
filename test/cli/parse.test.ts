import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {parseCommandLine} from '../../source/cli/parse.js';
import {longFlags, optionNames, options, shortFlags} from '../../source/config/options.js';
import {ProblemsError} from '../../source/core/errors.js';

async function values(...argv: readonly string[]): Promise<Record<string, unknown>> {
	const parsed = await parseCommandLine(argv);
	return Object.fromEntries(parsed.values);
}

async function problems(...argv: readonly string[]): Promise<readonly string[]> {
	const error: unknown = await parseCommandLine(argv).then(
		parsed => parsed,
		(reason: unknown) => reason,
	);
	assert.ok(error instanceof ProblemsError, `${argv.join(' ')} should be refused`);
	assert.equal(error.exitCode, 2);
	assert.match(error.hint ?? '', /^usage: pg_back .*--help/);
	return error.problems;
}

test('every spelling of an option', async () => {
	for (const argv of [
		['--jobs=4'],
		['--jobs', '4'],
		['-j4'],
		['-j', '4'],
		['-j=4'],
		['-vj4'],
		['-vj', '4'],
		['-vj=4'],
		['-j', '0x4'],
		['-j', '04'],
	]) {
		assert.equal((await values(...argv))['jobs'], 4, argv.join(' '));
	}
	assert.deepEqual(await values('-tqv'), {withTemplates: true, quiet: true, verbose: true});
	assert.deepEqual(await values('-Fc', '-Z=1'), {format: 'custom', compressLevel: 1});
	assert.deepEqual(await values('-t=false', '--quiet=T', '--verbose=0'), {
		withTemplates: false,
		quiet: true,
		verbose: false,
	});
	assert.deepEqual(await values('-qtFd'), {quiet: true, withTemplates: true, format: 'directory'});
});

test('a value may begin with a dash', async () => {
	assert.deepEqual(await values('-P', '-1h', '--purge-min-keep', '0', '-m', '-1'), {
		purgeOlderThan: -3_600_000,
		purgeMinKeep: 0,
		backupFileMode: undefined,
	});
	assert.deepEqual(await values('-U', '--', '-h', '-x'), {user: '--', host: '-x'});
	assert.deepEqual(await values('-h', 'db1'), {host: 'db1'}, '-h is the host');
});

test('positional arguments stand anywhere, and all that follows --', async () => {
	const parsed = await parseCommandLine(['a', '-j', '2', 'b', '-', '', '-v', 'c', '--', '-q', '--', '--jobs=3']);
	assert.deepEqual(parsed.arguments, ['a', 'b', '-', '', 'c', '-q', '--', '--jobs=3']);
	assert.deepEqual(Object.fromEntries(parsed.values), {jobs: 2, verbose: true});
	assert.deepEqual((await parseCommandLine(['007', '1e3', 'true'])).arguments, ['007', '1e3', 'true']);
});

test('a boolean takes no argument, and is not set unless given', async () => {
	const parsed = await parseCommandLine(['--encrypt', 'true']);
	assert.deepEqual([Object.fromEntries(parsed.values), parsed.arguments], [{encrypt: true}, ['true']]);
	assert.deepEqual(await values(), {});
	assert.deepEqual(await values('-v'), {verbose: true});
});

test('negative forms win wherever they stand, and do nothing when they say false', async () => {
	assert.deepEqual(await values('-t', '--without-templates'), {withTemplates: false});
	assert.deepEqual(await values('--without-templates', '-t'), {withTemplates: false});
	assert.deepEqual(await values('--no-encrypt=false'), {});
	assert.deepEqual(await values('--encrypt', '--no-encrypt=false'), {encrypt: true});
	assert.deepEqual(await values('--with-role-passwords=false'), {dumpRolePasswords: false});
	assert.deepEqual(await values('--no-tui'), {tui: false});
	assert.deepEqual(await values('--tui'), {tui: true});
	assert.deepEqual(await values('--no-encrypt', '--no-encrypt-keep-src'), {encrypt: false, encryptKeepSource: false});
});

test('given twice: the last counts, lists add up', async () => {
	assert.deepEqual(await values('--jobs', '1', '-j', '2'), {jobs: 2});
	assert.deepEqual(await values('-v', '-v=false'), {verbose: false});
	assert.deepEqual(await values('-D', 'a, b', '--exclude-dbs="c,d"', '-D', ''), {excludeDbs: ['a', 'b', 'c,d']});
	assert.deepEqual(await values('-D', ''), {excludeDbs: []});
});

test('values reach us as they are', async () => {
	for (const text of ['', ' ', "'a'", '"a"', '=', '==x', '-', '--', 'true', '1', 'a\nb', '🐘', '__proto__', '{}']) {
		assert.deepEqual(await values('-d', text), {dbname: text});
		assert.deepEqual(await values(`--dbname=${text}`), {dbname: text});
	}
});

test('yes and no, in any case', async () => {
	assert.deepEqual(await values('--delete-uploaded', ' Yes', '--purge-remote=N'), {
		deleteUploaded: true,
		purgeRemote: false,
	});
	assert.match(
		(await problems('--delete-uploaded', 'true'))[0] ?? '',
		/--delete-uploaded: "true" is neither yes nor no/,
	);
});

test('an optional value needs an equals sign', async () => {
	assert.deepEqual(await values('--check-config'), {checkConfig: 'file'});
	assert.deepEqual((await parseCommandLine(['--check-config', 'connect'])).arguments, ['connect']);
});

test('store names in any case', async () => {
	assert.deepEqual(await values('--list-remote', ' S3 '), {listRemote: 's3'});
});

test('every mistake is found at once, with a suggestion where one is near', async () => {
	assert.deepEqual(await problems('--uplod', 's3', '-x', '-vyz', '--=x', '---y', '--jobs'), [
		'unknown option --uplod, did you mean --upload?',
		'unknown option -x',
		'unknown option -y in -vyz',
		'bad option syntax: --=x',
		'bad option syntax: ---y',
		'option --jobs needs a value',
	]);
	assert.deepEqual(await problems('-j', 'abc', '-Z', '10', '--format=x', '--encrypt=maybe', '-t=', '-Da"b'), [
		'unknown option -= in -t=',
		'-j: "abc" is not a whole number',
		'-Z: must be in the range -1 to 9',
		'--format: "x" is not one of plain, custom, tar, directory',
		'--encrypt: "maybe" is not a boolean, use true or false',
		'-D: "a\\"b" has a double quote that is unterminated or inside an item',
	]);
	assert.deepEqual(await problems('-j'), ['option -j needs a value']);
	assert.deepEqual(await problems('--list-remote'), ['option --list-remote needs a value']);
	assert.match((await problems('-b', ''))[0] ?? '', /must not be empty/);
	assert.match((await problems('-j', 'abc', '-j', '2'))[0] ?? '', /not a whole number/);
	assert.match((await problems('-jobs', '3'))[0] ?? '', /-j: "obs" is not a whole number/);
	assert.match((await problems('-encrypt'))[0] ?? '', /unknown option -e in -encrypt, did you mean --encrypt\?/);
	assert.deepEqual(await problems('--\u001B[2J'), ['unknown option --\\x1b[2J']);
});

test('a refused secret is not repeated', async () => {
	assert.deepEqual(await problems('--cipher-pass=se\0cret'), ['--cipher-pass: malformed value']);
});

test('what answers and ends does so beside values of no use, but not beside what cannot be read', async () => {
	assert.deepEqual(await values('-Z', '10', '-m', '644', '--upload=foo', '--help'), {help: true});
	assert.deepEqual(await values('-P', '1d', '-j', '0', '-V'), {version: true});
	assert.deepEqual(await values('--print-default-config', '-F', 'x'), {printDefaultConfig: true});
	assert.deepEqual(await values('--convert-legacy-config', 'v1', '-K', 'few'), {convertLegacyConfig: 'v1'});
	assert.deepEqual(await values('-?'), {help: true});
	assert.deepEqual(await values('-vV'), {version: true});
	assert.deepEqual(await values('--help=false', '-v'), {help: false, verbose: true});
	assert.deepEqual(await values('-V', '--convert-legacy-config', 'x'), {version: true, convertLegacyConfig: 'x'});
	assert.deepEqual(await values('-V', '--convert-legacy-config', ''), {version: true});
	for (const terminal of ['--help', '-?', '-V', '--version', '--print-default-config', '--convert-legacy-config=v1']) {
		for (const wrong of ['--bogus', '-x', '-j=abc', '--encrypt=maybe', '-Da"b', '--=', '-p=5432x', '-T=soon'])
			assert.equal((await problems(terminal, wrong)).length, 1, `${terminal} ${wrong}`);
		assert.deepEqual(await problems('-F', 'x', terminal, '--jobs'), [
			'option --jobs needs a value',
			'-F: "x" is not one of plain, custom, tar, directory',
		]);
	}
	for (const not of ['--help=false', '-V=false', '--print-default-config=0', '--convert-legacy-config='])
		assert.equal((await problems(not, '-Z', '10')).length, 1, not);
});

test('every flag of the table arrives under its name', async () => {
	const samples: Partial<Record<string, string>> = {
		boolean: 'true',
		yesNo: 'yes',
		integer: '1',
		mode: '0600',
		keep: '1',
		interval: '1',
		seconds: '1',
		duration: '1h',
		bytes: '1M',
		compression: 'zstd:3',
		percent: '20%',
	};
	for (const [long, {name, option, negative}] of longFlags) {
		if (name === 'help' || name === 'version') continue;
		const text = 'choices' in option ? (option.choices[0] ?? '') : (samples[option.kind] ?? 'x');
		assert.deepEqual(Object.keys(await values(`--${long}=${text}`)), [name], long);
		if (negative) assert.equal((await values(`--${long}`))[name], false, long);
	}
	for (const [short, {name, option}] of shortFlags) assert.equal(option.short, short, name);
	assert.equal(
		new Set(optionNames.flatMap(name => options[name].long ?? [])).size +
			[...longFlags.values()].filter(({negative}) => negative).length,
		longFlags.size,
	);
	assert.equal(shortFlags.size, optionNames.filter(name => options[name].short !== undefined).length);
});

test('any argv gives values or our error', async () => {
	const word = fc.oneof(
		fc.string(),
		fc.constantFrom('-', '--', '-j', '--jobs', '-D', '-v', '--encrypt', '--no-encrypt', '-P', '--tui', '-F', 'd', '3'),
		fc.tuple(fc.constantFrom(...longFlags.keys()), fc.string()).map(([name, text]) => `--${name}=${text}`),
		fc.string().map(text => `-${text}`),
	);
	await fc.assert(
		fc.asyncProperty(fc.array(word), async argv => {
			await parseCommandLine(argv).catch((error: unknown) => assert.ok(error instanceof ProblemsError, String(error)));
		}),
		{numRuns: 500},
	);
});
