/** What a listing of many keys takes: the peak of memory of each command, and the modules of Node.js that it loads. */
import assert from 'node:assert/strict';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {runProgram, scratchDirectory} from '../helpers/program.js';
import {type S3Server, startS3Server, testCredential} from '../helpers/s3-server.js';

const count = 30_000;

type Measured = {
	readonly code: number | null;
	readonly lines: readonly string[];
	readonly peak: number;
	readonly modules: readonly string[];
};

describe(
	`${count} keys on an S3 server`,
	{skip: !existsSync('/proc/self/status') && 'no /proc', timeout: 300_000},
	() => {
		const directory = scratchDirectory('listing');
		const hook = join(directory, 'hook.cjs');
		const result = join(directory, 'result.json');
		const cache = scratchDirectory('cache');
		let server: S3Server;

		before(async () => {
			mkdirSync(join(directory, 'none'));
			server = await startS3Server({forget: true, synthetic: count});
			writeFileSync(
				hook,
				`process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(result)}, JSON.stringify({
				peak: Number(/^VmHWM:\\s*(\\d+)/m.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]) / 1024,
				modules: process.moduleLoadList,
			})));`,
			);
			// Later runs load compiled code, as a host that runs the program every night does.
			await run(['--list-remote', 's3', 'nothing']);
			await run(['--purge', 's3', '--dry-run', 'nothing']);
		});
		after(async () => server.close());

		async function run(args: readonly string[]): Promise<Measured> {
			const place = [
				...['--no-config-file', '-b', join(directory, 'none'), '--upload', 's3', '--upload-prefix', 'synthetic'],
				...['--s3-endpoint', server.url, '--s3-bucket', 'bucket', '--s3-region', 'us-east-1', '--s3-force-path', 'yes'],
			];
			const {code, stdout} = await runProgram([...place, ...args], {
				env: {
					AWS_ACCESS_KEY_ID: testCredential.keyId,
					AWS_SECRET_ACCESS_KEY: testCredential.secret,
					NODE_OPTIONS: `--require=${hook}`,
					NODE_COMPILE_CACHE: cache,
				},
			});
			const {peak, modules} = JSON.parse(readFileSync(result, 'utf8')) as Pick<Measured, 'peak' | 'modules'>;
			return {code, lines: stdout.trimEnd().split('\n'), peak, modules};
		}

		const keep = ['-P', '1', '-K', '1'];
		for (const [args, most, check] of [
			[['--list-remote', 's3'], 90, ({lines}) => assert.equal(lines.length, count)],
			[['--check-age', '26h'], 90, ({lines}) => assert.match(lines[0] ?? '', /^PG_BACK OK - 10 databases/)],
			[['--purge', 's3', '--dry-run', ...keep], 100, ({lines}) => assert.equal(lines.length, count + 2)],
			[
				['--purge', 's3', '--dry-run', '--json', ...keep],
				100,
				({lines}) => {
					const plan = JSON.parse(lines[0] ?? '') as Record<'remove' | 'keep', readonly unknown[]>;
					assert.equal(plan.remove.length + plan.keep.length, count);
				},
			],
		] as readonly (readonly [readonly string[], number, (measured: Measured) => void])[])
			test(`${args.join(' ')}: at most ${most} MiB`, async t => {
				const measured = await run(args);
				t.diagnostic(`${measured.peak.toFixed(1)} MiB`);
				assert.equal(measured.code, 0);
				check(measured);
				assert.ok(measured.peak <= most, `${measured.peak.toFixed(1)} MiB`);
				// What a facade of node:http or the other form of the SDK loads.
				for (const name of ['internal/deps/undici/undici', 'http2', 'internal/http2/core'])
					assert.ok(!measured.modules.includes(`NativeModule ${name}`), name);
			});

		test('--purge s3: at most 110 MiB, and all that was planned is gone', async t => {
			const {code, peak} = await run(['--purge', 's3', ...keep]);
			t.diagnostic(`${peak.toFixed(1)} MiB`);
			assert.equal(code, 0);
			assert.ok(peak <= 110, `${peak.toFixed(1)} MiB`);
			const {lines} = await run(['--list-remote', 's3']);
			assert.ok(lines.length < count / 2 && lines.length >= 10, `${lines.length} left`);
		});
	},
);
