import assert from 'node:assert/strict';
import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {setTimeout as delay} from 'node:timers/promises';
import {openHangupLog} from '../../source/cli/hangup-log.js';

const directory = mkdtempSync(join(tmpdir(), 'pg_back-hangup-'));
after(() => rmSync(directory, {recursive: true}));

test('only the newest logs of lost terminals are kept, and nothing else is touched', async () => {
	for (let index = 0; index < 15; index++) {
		const path = join(directory, `pg_back-${index}-abc.log`);
		writeFileSync(path, '', {mode: 0o600});
		utimesSync(path, index, index);
	}
	writeFileSync(join(directory, 'pg_back-1-abd.log'), 'readable by others: not ours', {mode: 0o644});
	writeFileSync(join(directory, 'other.log'), '', {mode: 0o600});
	const warnings: string[] = [];
	const path = join(directory, 'pg_back-99-new.log');
	const write = openHangupLog(path, text => warnings.push(text));
	write('a line\n');
	while (readFileSync(path, 'utf8') === '') await delay(5);
	assert.equal(statSync(path).mode & 0o777, 0o600);
	const left = readdirSync(directory);
	assert.ok(left.includes('pg_back-1-abd.log') && left.includes('other.log') && left.includes('pg_back-14-abc.log'));
	assert.ok(!left.includes('pg_back-0-abc.log'));
	assert.equal(left.length, 10 + 2);
	assert.deepEqual(warnings, []);
});

test('a log that cannot be written is told once, and stops nothing', () => {
	const warnings: string[] = [];
	const write = openHangupLog(join(directory, 'none', 'pg_back-1-a.log'), text => warnings.push(text));
	write('a line\n');
	write('another\n');
	assert.equal(warnings.length, 1);
	assert.match(warnings[0] ?? '', /the log of the lost terminal cannot be written to .*: no such file or directory/);
});
