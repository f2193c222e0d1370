/** Every dump of a server that holds the kinds of objects people use restores into a fresh one, which then dumps the same. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {cleanEnvironment, connectTo, filesIn, runProgram, scratchDirectory} from '../helpers/program.js';
import {findTool, root} from '../helpers/tools.js';

const databases = ['fixture', 'small one', 'empty'];
let first: Cluster;
let original: ReadonlyMap<string, string>;

before(async () => {
	first = await startCluster({name: 'first', settings: {max_connections: '40'}});
	const script = (name: string) => readFileSync(join(root, 'testdata', name), 'utf8');
	await first.psql('postgres', script('server.sql'));
	await first.psql('fixture', script('fixture.sql'));
	original = contentOf(first);
});
after(async () => first.stop());

const clients = clientDirectory();
const tool = (name: string, args: readonly string[], input?: Buffer): string =>
	execFileSync(join(clients, name), args, {
		env: cleanEnvironment,
		encoding: 'utf8',
		maxBuffer: 1 << 28,
		input,
		stdio: ['pipe', 'pipe', 'pipe'],
	});

/** All that a server holds, as its own tools print it, but for what differs from run to run. */
function contentOf(cluster: Cluster): ReadonlyMap<string, string> {
	const normal = (text: string) =>
		text
			.split('\n')
			// The key of the \restrict that newer tools write, and what a restore may order differently, is not content.
			.filter(line => !/^\\(un)?restrict /.test(line))
			.join('\n');
	return new Map([
		['globals', normal(tool('pg_dumpall', ['-g', '-w', '-d', cluster.connectionString('postgres')]))],
		...databases.map(
			name =>
				[
					name,
					normal(tool('pg_dump', ['-w', '-C', '--serializable-deferrable', '-d', cluster.connectionString(name)])),
				] as const,
		),
	]);
}

const keyPair = (() => {
	const keygen = findTool('age-keygen');
	if (keygen === undefined) return undefined;
	const text = execFileSync(keygen, [], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});
	return {public: /public key: (\S+)/.exec(text)?.[1] ?? '', secret: /AGE-SECRET-KEY-\S+/.exec(text)?.[0] ?? ''};
})();

/** Globals by psql, then each database, the way the README tells a person to do it. */
async function restore(directory: string, format: string, second: Cluster): Promise<void> {
	const files = filesIn(directory);
	const path = (pattern: RegExp) =>
		join(directory, files.find(name => pattern.test(name)) ?? assert.fail(`${String(pattern)} in ${files.join(' ')}`));
	const psql = (database: string, file: string) =>
		tool('psql', ['-Xqw', '-v', 'ON_ERROR_STOP=1', '-d', second.connectionString(database), '-f', file]);
	// The superuser that initdb made is in the globals too.
	const globals = readFileSync(path(/^pg_globals_.*\.sql$/), 'utf8').replace(/^CREATE ROLE postgres;$/m, '');
	await second.psql('postgres', globals);
	for (const name of databases) {
		const text = name.replace(' ', '%20');
		if (format === 'plain') {
			psql('postgres', path(new RegExp(`^${text}_.*\\.createdb\\.sql$`)));
			psql(name, path(new RegExp(`^${text}_[^.]*\\.sql$`)));
			continue;
		}
		const suffix = {custom: 'dump', tar: 'tar', directory: 'd'}[format] ?? '';
		tool('pg_restore', [
			'-w',
			'-e',
			'-C',
			'-d',
			second.connectionString('postgres'),
			path(new RegExp(`^${text}_[^/]*\\.${suffix}$`)),
		]);
	}
}

describe('round trip', () => {
	const cases = ['custom', 'plain', 'tar', 'directory'].flatMap(format =>
		[1, 4].map(jobs => ({format, jobs, encrypted: jobs === 4})),
	);
	for (const {format, jobs, encrypted} of cases) {
		const name = `${format}, -j ${jobs}${format === 'directory' ? ' -J 2' : ''}${encrypted ? ', encrypted' : ''}`;
		test(name, {skip: encrypted && keyPair === undefined && 'age-keygen is not there'}, async () => {
			const directory = scratchDirectory('roundtrip');
			const args = [...connectTo(first, directory), '-F', format, '-j', String(jobs), '-S', 'sha256', ...databases];
			if (format === 'directory') args.push('-J', '2');
			if (encrypted) args.push('--encrypt', '--cipher-public-key', keyPair!.public);
			const run = await runProgram(args);
			assert.equal(run.code, 0, run.stderr);
			if (encrypted) {
				const decrypted = await runProgram([
					'--no-config-file',
					'-b',
					directory,
					'--decrypt',
					'--cipher-private-key',
					keyPair!.secret,
					'-j',
					'2',
				]);
				assert.equal(decrypted.code, 0, decrypted.stderr);
				for (const file of filesIn(directory).filter(file => file.endsWith('.age'))) rmSync(join(directory, file));
			}
			const second = await startCluster({name: 'second'});
			try {
				await restore(directory, format, second);
				const restored = contentOf(second);
				for (const [what, text] of original) assert.equal(restored.get(what), text, what);
			} finally {
				await second.stop();
			}
		});
	}
});
