import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {describe, it} from 'node:test';
import {parseCommandLine} from '../../source/cli/parse.js';
import type {OptionName} from '../../source/config/options.js';
import type {RestoreRequest} from '../../source/core/restore.js';
import {compileGlob} from '../../source/lib/glob.js';
import {drillServerCommand} from '../../source/restore/command-line.js';
import {commandOf} from '../../source/restore/restore-command.js';
import {runContext} from '../helpers/run-context.js';

const {configuration} = await runContext(['-h', 'db1', '-b', '/var/backups/my dumps']);
const hostileNames = [
	...[
		'app',
		'a,b',
		'a"b',
		'"',
		"it's",
		' app',
		'app ',
		'a b',
		'a\nb',
		'\n',
		'-app',
		'--',
		'*',
		'ap?',
		'[a]',
		'a]b',
		'x[',
		'\\',
	],
	...['a\\*', '$HOME', '`id`', '!!', 'up.Per', 'Ü', '\u202Egnp', '\x1b[31m', "\n'", 'a/b', '{dbname}', '~', '#a'],
];
const plain: RestoreRequest = {
	location: 'backup',
	databases: ['app'],
	server: {host: 'db1', port: 0, user: ''},
	into: '',
	replace: false,
	owner: '',
	roles: 'needed',
	restoreJobs: 0,
	compare: 'auto',
	locale: '',
	skip: [],
};
const command = (request: Partial<RestoreRequest>) => commandOf(configuration, {...plain, ...request});

describe('the command line of a restore', () => {
	it('repeats what leads to the dumps and the server, and nothing that is as it would be anyway', () => {
		const text = command({});
		assert.match(text, /^pg_back -h db1 .*--restore backup/);
		assert.match(text, / -b '\/var\/backups\/my dumps'/);
		assert.doesNotMatch(text, /--(?:into|owner|roles|compare|locale|skip|restore-jobs|replace|no-data)/);
		assert.match(text, / app$/);
	});

	it('has every choice, with lists as one word', () => {
		const text = command({
			...{run: 'r1', into: "app's", replace: true, owner: '-x', roles: 'none', restoreJobs: 3, compare: 'rows'},
			...{noData: true, skip: ['extension postgis', 'a,b'], only: ['sales."Odd"']},
		});
		assert.match(text, /--run r1/);
		assert.match(text, /--into 'app'\\''s'/);
		assert.match(text, /--replace /);
		assert.match(text, /--owner=-x/);
		assert.match(text, /--roles none/);
		assert.match(text, /--restore-jobs 3/);
		assert.match(text, /--compare rows/);
		assert.match(text, /--no-data/);
		assert.match(text, /--skip 'extension postgis,"a,b"'/);
		assert.match(text, /--only 'sales\."Odd"'/);
	});

	it('names databases that begin with a dash behind --, and another server than the given one', () => {
		const text = command({databases: ['-a'], server: {host: 'db2', port: 5433, user: 'me'}});
		assert.match(text, /-h db2 -p 5433 -U me/);
		assert.match(text, / -- -a$/);
	});

	it('means the same to a shell and to the program, whatever the names are', async () => {
		const names = hostileNames.filter(name => !name.includes('\0'));
		for (const name of names) {
			const quoted = `"${name.replaceAll('"', '""')}"`;
			const request = {
				...{databases: [name], into: `${name}2`, owner: name, replace: true, skip: [name, 'a,b'], locale: name},
				...{only: [`${quoted}.${quoted}`, 'plain'], onlySchema: [quoted]},
			};
			const text = command(request);
			assert.doesNotMatch(text, /[\n\r\x1b]/, 'one line');
			const script = text.replace(/^pg_back/, 'words');
			const words = execFileSync('bash', ['-c', `words() { printf '%s\\0' "$@"; }; ${script}`], {encoding: 'utf8'});
			const {values, arguments: patterns} = await parseCommandLine(words.split('\0').slice(0, -1));
			assert.deepEqual(Object.fromEntries(Object.keys(request).map(key => [key, values.get(key as OptionName)])), {
				...request,
				databases: undefined,
			});
			assert.deepEqual(
				hostileNames.filter(one => compileGlob(patterns[0] ?? '')?.(one)),
				[name],
			);
		}
	});

	it('holds no secret', () => {
		assert.doesNotMatch(command({secrets: {passphrase: 'hunter2'}}), /hunter2/);
	});
});

describe('a command about the server of drills', () => {
	it('leads there, whatever server is configured for everything else', async () => {
		for (const [given, drill] of [
			[['-h', 'db1', '-p', '5433', '-U', 'backup'], 'host=drills user=me'],
			[['-d', 'host=db1 user=backup'], 'drills'],
			[[], "dbname='a b' host=/run/it's"],
		] as const) {
			const made = await runContext([...given, '--drill-dbname', drill]);
			const text = drillServerCommand(made.configuration, {cleanupRestores: true});
			const words = execFileSync('bash', ['-c', `printf '%s\\0' ${text}`], {encoding: 'utf8'})
				.split('\0')
				.slice(1, -1);
			const {settings} = (await runContext([...given, ...words])).configuration;
			assert.deepEqual(
				[settings.cleanupRestores, settings.dbname, settings.host, settings.port, settings.user],
				[true, drill, '', 0, ''],
			);
		}
		const secret = await runContext(['--drill-dbname', 'host=drills password=secret']);
		assert.match(drillServerCommand(secret.configuration, {cleanupRestores: true}), /-d 'host=drills password=\*+'/);
	});
});
