/** What a restore of a whole server says of settings and access rules. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {ruleDifferences, settingDifferences} from '../../source/restore/configuration-difference.js';

const texts = (dumped: string, there: string, current: ReadonlyMap<string, string> = new Map()) =>
	settingDifferences(dumped, there, current).map(({severity, text}) => `${severity} ${text}`);

test('lists settings that differ, and none that are the same in the file or in force', () => {
	const dumped = "a = 'it''s \\\\ x'\nshared_buffers = '1GB'\nwork_mem = '4MB'\nold = '1'\nnonsense\n";
	const there = "a = 'it''s \\\\ x'\nshared_buffers = '128MB'\n";
	assert.deepEqual(texts(dumped, there, new Map([['work_mem', '4MB']])), [
		"note setting, to read, never applied: shared_buffers was '1GB', the target has '128MB'",
		"note setting, to read, never applied: old was '1', the target has nothing of that name",
	]);
});

test('shows no value that may hold a password', () => {
	const dumped = "primary_conninfo = 'password=one'\narchive_command = 'x --key one'\nmy.setting = 'one'\n";
	const text = texts(dumped, "primary_conninfo = 'password=two'\n").join('\n');
	assert.match(text, /primary_conninfo was set, the target has another value/);
	assert.match(text, /my\.setting was set, the target has nothing of that name/);
	assert.doesNotMatch(text, /one|two/);
});

test('lists at most fifty, and counts the rest', () => {
	const dumped = Array.from({length: 60}, (_, index) => `s${index} = '1'\n`).join('');
	const found = texts(dumped, '');
	assert.equal(found.length, 51);
	assert.match(found.at(-1) ?? '', /10 more settings differ/);
});

test('counts access rules, without comments and layout', () => {
	assert.deepEqual(ruleDifferences('hba', '# path: x\nlocal  all all trust\n\n', '# y\nlocal all\tall trust\n'), []);
	const [found] = ruleDifferences(
		'hba_file.out',
		'local all all trust\nhost all all ::/0 md5\n',
		'local all all peer\n',
	);
	assert.match(found?.text ?? '', /2 lines of hba_file\.out not in the target, 1 only there/);
});
