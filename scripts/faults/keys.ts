/** R9: keys of a remote that point outside of the target. */
import {createHash} from 'node:crypto';
import {existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {runProgram, scratchDirectory} from '../../test/helpers/program.js';
import {startS3Server, testCredential} from '../../test/helpers/s3-server.js';
import {type Figure, randomSource} from './sweep.js';

const shapes = [
	'../x',
	'../../x',
	'../../../../../../tmp/pgb-escaped',
	'/etc/pgb-escaped',
	'//x',
	'a/../../x',
	'a/./x',
	'./x',
	'..',
	'.',
	'a/..',
	'a//b',
	'...',
	'a/.../b',
	'C:\\x',
	'..\\x',
	'a\\..\\..\\x',
	'nul\u0000byte',
	'new\nline',
	'esc\u001b[31m',
	'trailing/',
	'link/x',
	'link/../x',
	'file/x',
	'-rf',
	'--help',
	'~/x',
	'$HOME/x',
	'%2e%2e/x',
	'a/b/../../../x',
	' ../x',
	'../ x',
	'\u202E../x',
	'x'.repeat(300),
	`${'d/'.repeat(200)}x`,
	'.pg_back-aaaaaa-bbbbbbbb.part',
	'.pg_back-aaaaaa.lock',
	'good_2026-01-01T00:00:00Z.dump',
];

/** All at once by `*`, and the first `single` each alone. */
export async function keySweep(count: number, single = count, seed = 7): Promise<Figure> {
	const random = randomSource(seed);
	const pieces = ['..', '.', 'a', '', 'link', 'file', '...', '-', '\u0001', 'é', '..\\', ' ', 'd'];
	const keys = new Set(shapes);
	while (keys.size < count) {
		keys.add(
			Array.from(
				{length: 1 + Math.floor(random() * 6)},
				() => pieces[Math.floor(random() * pieces.length)] ?? 'a',
			).join('/') || 'x',
		);
	}
	const server = await startS3Server();
	const violations: string[] = [];
	let fetched = 0;
	try {
		for (const key of keys) {
			const bytes = Buffer.from(`content of ${key}`);
			server.objects.set(key, {
				bytes,
				size: bytes.length,
				etag: createHash('md5').update(bytes).digest('hex'),
				modified: Date.now(),
				headers: {},
				version: 'v',
			});
		}
		for (const key of ['*', ...[...keys].slice(0, single)]) {
			const home = scratchDirectory('keys');
			const outer = join(home, 'one/two/three');
			const target = join(outer, 'backups');
			const elsewhere = join(home, 'elsewhere');
			for (const path of [target, elsewhere]) mkdirSync(path, {recursive: true});
			writeFileSync(join(elsewhere, 'x'), 'mine');
			symlinkSync(elsewhere, join(target, 'link'));
			writeFileSync(join(target, 'file'), 'mine');
			const pattern = key === '*' ? key : key.replaceAll(/[\\*?[\]{}]/g, match => `\\${match}`);
			if (pattern.includes('\u0000')) continue; // no argument can contain it; `*` downloads it
			const config = join(home, 'pg_back.conf');
			writeFileSync(
				config,
				`s3_bucket = bucket\ns3_region = us-east-1\ns3_key_id = ${testCredential.keyId}\ns3_secret = ${testCredential.secret}\ns3_endpoint = 127.0.0.1:${server.port}\ns3_tls = false\ns3_force_path = true\nremote_retry = 1s\n`,
				{mode: 0o600},
			);
			const run = await runProgram(['-c', config, '-b', target, '--force', '--download', 's3', '--', pattern]);
			if (run.code === 0) fetched++;
			if (key === '*') fetched += readdirSync(target).length - 2;
			const escaped = [
				...readdirSync(home, {recursive: true, encoding: 'utf8'}).filter(
					name =>
						!name.startsWith('one/two/three/backups') &&
						!/^(one(\/two(\/three)?)?|elsewhere(\/x)?|pg_back\.conf)$/.test(name),
				),
				...['/etc/pgb-escaped', '/tmp/pgb-escaped'].filter(path => existsSync(path)),
			];
			if (escaped.length > 0) violations.push(`${JSON.stringify(key)}: written to ${escaped.join(' ')}`);
			if (readFileSync(join(elsewhere, 'x'), 'utf8') !== 'mine')
				violations.push(`${JSON.stringify(key)}: written through a link`);
			// --force replaces a link of the same name by a file, without following it.
			const mayReplace = key === 'link' || (key === '*' && keys.has('link'));
			if (!mayReplace && !lstatSync(join(target, 'link')).isSymbolicLink())
				violations.push(`${JSON.stringify(key)}: replaced the link`);
			if (run.signal !== null || run.code === 70)
				violations.push(`${JSON.stringify(key)}: ended with ${run.signal ?? run.code ?? '?'}: ${run.stderr}`);
			rmSync(home, {recursive: true, force: true});
		}
	} finally {
		await server.close();
	}
	return {
		goal: 'R9',
		what: 'hostile keys written outside the target or through a link',
		total: keys.size,
		violations,
		notes: {fetched},
	};
}
