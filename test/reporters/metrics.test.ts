import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {emptyState} from '../../source/core/state.js';
import {writeMetrics} from '../../source/reporters/metrics.js';

const directory = mkdtempSync(join(tmpdir(), 'pg_back-metrics-'));
after(() => rmSync(directory, {recursive: true, force: true}));

test(
	'a pipe or a link under the name of the metrics file is replaced, not read or followed',
	{timeout: 60_000},
	async () => {
		const pipe = join(directory, 'pipe.prom');
		execFileSync('mkfifo', [pipe]);
		await writeMetrics(pipe, 'backup', emptyState);
		assert.ok(lstatSync(pipe).isFile());
		assert.match(readFileSync(pipe, 'utf8'), /pg_back_/);
		const victim = join(directory, 'victim');
		writeFileSync(victim, 'precious');
		const link = join(directory, 'link.prom');
		symlinkSync(victim, link);
		await writeMetrics(link, 'backup', emptyState);
		assert.equal(readFileSync(victim, 'utf8'), 'precious');
		assert.ok(lstatSync(link).isFile());
	},
);
