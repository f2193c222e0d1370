/**
 * R8 and R10: databases with hostile names, full circle: dumped, hashed, encrypted, uploaded, downloaded, decrypted,
 * restored and compared; and what the program printed on the way.
 */
import {mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {type Cluster, startCluster} from '../../test/helpers/cluster.js';
import {connectTo, type Ended, newAgeKeys, runProgram, scratchDirectory} from '../../test/helpers/program.js';
import {type Figure, randomSource} from './sweep.js';

/** Names that people, shells, paths, terminals and libpq have misinterpreted. */
export const hostileNames: readonly string[] = [
	...[
		'-',
		'--',
		'-d',
		'--help',
		'-f/tmp/x',
		'.',
		'..',
		'.hidden',
		'...',
		'../x',
		'../../etc/passwd',
		'/',
		'/abs',
		'a/b',
		'a_b',
	],
	...[
		'a b',
		' lead',
		'trail ',
		'tab\there',
		'new\nline',
		'carriage\rreturn',
		"quote's",
		'double"quote',
		'back\\slash',
		'`tick`',
		'$(id)',
		'${HOME}',
		';ls',
		'|cat',
		'&bg',
	],
	...[
		'a=b',
		'dbname=postgres',
		'postgresql://x',
		'host=evil user=x',
		'*',
		'?',
		'[a-z]',
		'{a,b}',
		'{dbname}',
		'%41',
		'%',
		'100%',
		'~',
		'#hash',
		'!bang',
	],
	...[
		'\u001b[31mred',
		'\u001b]0;title\u0007',
		'bidi\u202Etxt',
		'line\u2028sep',
		'\uFEFFbom',
		'é',
		'e\u0301',
		'😀',
		'pg_globals',
		'x'.repeat(63),
	],
];

function randomNames(count: number, seed: number): string[] {
	const random = randomSource(seed);
	const alphabet = [
		...'abcXYZ019_-./\\ \'"%*?[]{}$`;|&<>()=~#!@^,:+\t\n\r\u0001\u001b\u007f'.match(/./gs)!,
		'\u0085',
		'é',
		'ß',
		'\u202E',
		'\u200B',
		'漢',
		'😀',
		'\uFFFE',
	];
	const names = new Set<string>();
	while (names.size < count) {
		let name = '';
		const length = 1 + Math.floor(random() * 20);
		while (Buffer.byteLength(name) < length) name += alphabet[Math.floor(random() * alphabet.length)] ?? 'a';
		if (Buffer.byteLength(name) <= 63) names.add(name);
	}
	return [...names];
}

const literal = (text: string) =>
	`E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;

/** Control characters except tab and the newline between lines, bidi controls, and lone surrogates. */
const raw = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069\uFFFD]/;

/** `random` further names; of `parts` equal parts of all names, the one with this index. */
export async function nameSweep(random: number, seed = 6, part = 0, parts = 1): Promise<Figure[]> {
	const all = [...new Set([...hostileNames, ...randomNames(random, seed)])];
	const names = all.filter((_, index) => index % parts === part);
	const server = await startCluster({name: 'names', settings: {max_connections: '60'}});
	const differences: string[] = [];
	const outputs: string[] = [];
	try {
		const keys = await newAgeKeys();
		// As many at a time as a disk handles easily.
		for (let start = 0; start < names.length; start += 60) {
			differences.push(...(await circle(server, names.slice(start, start + 60), keys, outputs)));
		}
	} finally {
		await server.stop();
	}
	return [
		{
			goal: 'R8',
			what: 'hostile names that did not come back equal, collided or left the directory',
			total: names.length,
			violations: differences,
		},
		{
			goal: 'R10',
			what: 'lines with raw control or bidi characters',
			total: outputs.length,
			violations: outputs.filter(line => raw.test(line)).map(line => JSON.stringify(line)),
		},
	];
}

async function circle(
	server: Cluster,
	names: readonly string[],
	keys: Awaited<ReturnType<typeof newAgeKeys>>,
	outputs: string[],
): Promise<string[]> {
	const problems: string[] = [];
	const home = scratchDirectory('names');
	const [first, second, store] = ['first/backups', 'second/backups', 'store'].map(name => join(home, name));
	if (!first || !second || !store) throw new Error('unreachable');
	for (const path of [first, second, store]) mkdirSync(path, {recursive: true});
	const identity = join(home, 'identity');
	writeFileSync(identity, keys.identity, {mode: 0o600});
	const config = join(home, 'pg_back.conf');
	writeFileSync(config, `cipher_identity_file = ${identity}\nrecord_contents = exact\n`, {mode: 0o600});
	for (const name of names) {
		await server.psql('template1', `create database "${name.replaceAll('"', '""')}" template template0`);
	}
	for (const name of names) {
		await createTable(server, name);
	}
	const [, ...connection] = connectTo(server, first);
	const common = ['-c', config, ...connection, '--upload-prefix', 'p', '--local-directory', store];
	const collect = (run: Ended) => outputs.push(...`${run.stdout}\n${run.stderr}`.split('\n'));
	const backup = await runProgram([
		...common,
		'-v',
		'-j',
		'2',
		'-S',
		'sha256',
		'--encrypt',
		'--cipher-public-key',
		keys.recipient,
		'--upload',
		'local',
		'-D',
		'postgres',
	]);
	collect(backup);
	if (backup.code !== 0)
		problems.push(`the backup ended with ${backup.code}: ${backup.stderr.split('\n').slice(-5).join(' ')}`);
	const inside = ['store', 'first', 'second', 'identity', 'pg_back.conf'];
	for (const list of [
		['--list-remote', 'local'],
		['--list-remote', 'local', '--json'],
		['--verify', 'local'],
	]) {
		const listed = await runProgram([...common, ...list]);
		collect(listed);
		if (listed.code !== 0)
			problems.push(`${list.join(' ')} ended with ${listed.code}: ${listed.stderr.split('\n').slice(-5).join(' ')}`);
	}
	const download = await runProgram([
		'-c',
		config,
		'-b',
		second,
		'--upload-prefix',
		'p',
		'--local-directory',
		store,
		'--download',
		'local',
		'--decrypt',
		'*',
		'-v',
	]);
	collect(download);
	if (download.code !== 0)
		problems.push(`the download ended with ${download.code}: ${download.stderr.split('\n').slice(-5).join(' ')}`);
	const drill = await runProgram([
		'-c',
		config,
		'-b',
		first,
		'--upload-prefix',
		'p',
		'--local-directory',
		store,
		'--restore-drill',
		'local',
		'-v',
	]);
	collect(drill);
	if (drill.code !== 0)
		problems.push(
			`the drill ended with ${drill.code}: ${drill.stderr
				.split('\n')
				.filter(line => /ERROR|FATAL|CORRUPT/.test(line))
				.slice(0, 5)
				.join(' ')}`,
		);
	const dumps = readdirSync(first).filter(name => name.endsWith('.dump.age'));
	if (dumps.length !== names.length) problems.push(`${dumps.length} dumps of ${names.length} databases`);
	const compared = (
		drill.stderr.match(/ restored into [^\n]*; the rows of [^\n]* and the schema are as recorded$/gm) ?? []
	).length;
	if (compared !== names.length) problems.push(`${compared} of ${names.length} were found as recorded`);
	const strangers = readdirSync(home).filter(name => !inside.includes(name));
	if (strangers.length > 0) problems.push(`outside the target: ${strangers.join(' ')}`);
	for (const name of names) await server.psql('template1', `drop database "${name.replaceAll('"', '""')}"`);
	rmSync(home, {recursive: true, force: true});
	return problems;
}

async function createTable(server: Cluster, name: string): Promise<void> {
	await server.psql(
		name,
		`create table t as select ${literal(name)} as name, i from generate_series(1, 3) as i; create table """\u001b" (i int)`,
	);
}
