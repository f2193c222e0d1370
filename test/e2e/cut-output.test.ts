/** A pg_dump that ends successfully although the end of its output is missing: no such dump gets its name. */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, newAgeKeys, runProgram, scratchDirectory, shapesIn, succeeded} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
let encrypt: readonly string[];
before(async () => {
	server = await startCluster({name: 'cut'});
	await server.psql('postgres', 'create database app; create database other');
	await server.psql('app', 'create table t as select i, md5(i::text) from generate_series(1, 30000) i');
	encrypt = ['--encrypt', '--cipher-public-key', (await newAgeKeys()).recipient];
});
after(() => server.stop());

/**
 * Runs `change` on the finished output of the dump of `app`, before pg_back sees any of it: on `$B`, its only table, and
 * `$T`, its table of contents.
 */
const changed = (change: string) => `case "$*" in *dbname=app*) ;; *) exec "$REAL" "$@";; esac
O="$0.out.$$"; args=()
for word; do [ "$last" = -f ] && F=$word && word=$O; last=$word; args+=("$word"); done
if [ -n "$F" ]; then "$REAL" "\${args[@]}" || exit; else "$REAL" "$@" >"$O" || exit; fi
if [ -d "$O" ]; then T=$O/toc.dat; B=$(ls -S "$O"/*.dat* | grep -v toc | head -1); else T=$O; B=$O; fi
${change}
if [ -d "$O" ]; then mv "$O"/* "$F"; elif [ -n "$F" ]; then cat "$O" >"$F"; else cat "$O"; fi
rm -r "$O"`;

const halved = 'truncate -s $(($(stat -c %s "$B") / 2)) "$B"';
const nearlyWhole = 'truncate -s -200 "$B"';
const failure = /ERROR: dump of app failed: pg_dump of app exited successfully, but did not write all of it/;

/** With a store, nothing stays in the backup directory. */
type Site = {readonly args: readonly string[]; readonly directory: string; readonly store: string};

function site(lines: readonly string[]): Site {
	const base = scratchDirectory('cut');
	const [directory, store, config] = [join(base, 'b'), join(base, 'store'), join(base, 'conf')];
	for (const path of [directory, store]) mkdirSync(path, {mode: 0o700});
	const upload = lines.length > 0 ? ['upload = local', `local_directory = ${store}`] : [];
	writeFileSync(config, [...lines, ...upload, ''].join('\n'), {mode: 0o600});
	const [, ...connection] = connectTo(server, directory);
	return {args: ['-c', config, ...connection, '--dump-only', 'app', 'other'], directory, store};
}

for (const [form, options, lines] of [
	['custom', [], []],
	['plain', ['-F', 'p'], []],
	['tar', ['-F', 't'], []],
	['custom, without a local copy', [], ['local_copy = no']],
	['plain, without a local copy', ['-F', 'p'], ['local_copy = no']],
] as const) {
	describe(form, () => {
		for (const isEncrypted of [false, true]) {
			test(`${isEncrypted ? 'encrypted, ' : ''}half of it, or all but 200 bytes: 1, and the others are dumped`, async () => {
				for (const change of [halved, nearlyWhole]) {
					const {args, directory, store} = site(lines);
					const tools = recordingTools({pg_dump: changed(change)});
					const ended = await runProgram([
						...args,
						...['-B', tools.directory],
						...options,
						...(isEncrypted ? encrypt : []),
					]);
					assert.equal(ended.code, 1, ended.stderr);
					assert.match(ended.stderr, failure);
					assert.ok(![...readdirSync(directory), ...readdirSync(store)].some(name => name.startsWith('app_')));
					const place = lines.length > 0 ? store : directory;
					assert.ok(shapesIn(place).some(name => name.startsWith('other_T.')));
				}
			});
		}

		test('a wrapper that changes nothing is accepted', async () => {
			const tools = recordingTools({pg_dump: changed(':')});
			succeeded(await runProgram([...site(lines).args, '-B', tools.directory, ...options]));
		});
	});
}

describe('directory', () => {
	for (const [what, change, why] of [
		['a table of contents that is cut', 'truncate -s -1 "$T"', /its table of contents is truncated/],
		['a member that is gone', 'rm "$B"', /\d+\.dat is missing/],
		['a compressed member without a byte', ': >"$B"', /\d+\.dat\.gz is empty/],
	] as const) {
		test(`${what}: 1, and the others are dumped`, async () => {
			for (const [options, lines] of [
				[[], []],
				[encrypt, []],
				[[], ['spool_limit = 1G']],
			] as const) {
				const {args, directory, store} = site(lines);
				const tools = recordingTools({pg_dump: changed(change)});
				const ended = await runProgram([...args, '-B', tools.directory, '-F', 'd', ...options]);
				assert.equal(ended.code, 1, ended.stderr);
				assert.match(ended.stderr, failure);
				assert.match(ended.stderr, why);
				assert.ok(![...readdirSync(directory), ...readdirSync(store)].some(name => name.startsWith('app_')));
				assert.ok(shapesIn(lines.length > 0 ? store : directory).some(name => name.startsWith('other_T.d')));
			}
		});
	}
});

test('globals that end in the middle: 1, and the databases are dumped', async () => {
	for (const options of [[], encrypt]) {
		const directory = scratchDirectory('cut');
		const tools = recordingTools({pg_dumpall: '"$REAL" "$@" | head -c 300'});
		const ended = await runProgram([...connectTo(server, directory), '-B', tools.directory, ...options, 'app']);
		assert.equal(ended.code, 1, ended.stderr);
		assert.match(ended.stderr, /FATAL: pg_dumpall of globals exited successfully, but did not write all of it/);
		assert.ok(shapesIn(directory).some(name => name.startsWith('app_T.dump')));
		assert.ok(!shapesIn(directory).some(name => name.startsWith('pg_globals')));
	}
});
