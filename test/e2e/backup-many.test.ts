/** Many databases on one server: one query lists them, and no process but pg_dump is started for each. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';
import {needsStrace, traced} from '../helpers/strace.js';

/** Creating them takes most of the time; PG_BACK_FULL=1 has 500. */
const count = process.env['PG_BACK_FULL'] === '1' ? 500 : 60;
let server: Cluster;
before(async () => {
	server = await startCluster({name: 'many', settings: {log_statement: 'all', log_line_prefix: '%a|'}});
	const strategy = server.major >= 15 ? ' strategy file_copy' : '';
	await server.psql('postgres', Array.from({length: count}, (_, i) => `create database db${i}${strategy};`).join('\n'));
});
after(async () => server.stop());

test(`${count} databases`, {...needsStrace, timeout: 600_000}, async () => {
	const directory = scratchDirectory('many');
	const trace = join(scratchDirectory('trace'), 'calls');
	const run = await runProgram([...connectTo(server, directory), '-j', '4'], {
		wrapper: traced(trace, 'execve'),
	});
	assert.equal(run.code, 0, run.stderr);
	assert.equal(shapesIn(directory).filter(name => /^db\d+_T\.dump$/.test(name)).length, count);
	const programs = new Map<string, number>();
	for (const [, path = ''] of readFileSync(trace, 'utf8').matchAll(/execve\("([^"]+)"(?!.* = -1 )/g)) {
		const name = path.slice(path.lastIndexOf('/') + 1);
		programs.set(name, (programs.get(name) ?? 0) + 1);
	}
	const databases = count + 1; // and postgres
	const dumps = programs.get('pg_dump') ?? 0;
	assert.ok(dumps >= databases && dumps <= databases + 6, `one each, and a few --version: ${dumps} for ${databases}`);
	programs.delete('pg_dump');
	// flock(1) locks a file for us, setpriv(1) becomes pg_dump: both exec, neither stays.
	for (const helper of ['flock', 'setpriv']) programs.delete(helper);
	for (const [name, times] of programs) assert.ok(times < 30, `${name}: ${times}`);
	const control = server
		.log()
		.split('\n')
		.filter(line => line.startsWith('pg_back|') && /datname/.test(line) && /pg_database/.test(line));
	assert.ok(control.length > 0 && control.length < 20, `${control.length} statements on the list of databases`);
});
