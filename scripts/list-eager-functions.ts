/**
 * `npm run eager-functions`: writes scripts/eager-functions.txt, the functions that ordinary backups execute. Run it when the test of
 * start-up says that the list is old.
 */
import {execFile} from 'node:child_process';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {generateX25519Identity, identityToRecipient} from 'age-encryption';
import {createBench, program} from './bench/bench.js';
import {executedFunctions} from './executed-functions.js';

const recipient = await identityToRecipient(await generateX25519Identity());
const ordinary = [[], ['--dump-only'], ['-S', 'sha256', '--encrypt', '--cipher-public-key', recipient]];

const {scratch, withServer} = await createBench();
await withServer(async server => {
	await server.psql('postgres', 'create table item as select generate_series(1, 1000) as id');
	const names = new Set<string>();
	for (const [index, more] of ordinary.entries()) {
		const coverage = join(scratch, `coverage-${index}`);
		const directory = join(scratch, `dumps-${index}`);
		await mkdir(directory);
		const args = [program, '--no-config-file', '-b', directory, '-h', server.host, '-p', String(server.port)];
		await promisify(execFile)(process.execPath, [...args, '-U', 'postgres', '-B', server.binDirectory, ...more], {
			env: {...process.env, NODE_V8_COVERAGE: coverage},
		});
		for (const {name} of await executedFunctions(coverage)) names.add(name);
	}
	const list = [...names].toSorted((a, b) => (a < b ? -1 : 1));
	await writeFile(join(import.meta.dirname, 'eager-functions.txt'), `${list.join('\n')}\n`);
});
