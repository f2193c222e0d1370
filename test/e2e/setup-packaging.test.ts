import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {generateIdentity, identityToRecipient} from 'age-encryption';
import {findTool, root} from '../helpers/tools.js';

const program = join(root, 'dist/pg_back.cjs');
const systemdAnalyze = usable(findTool('systemd-analyze'));

/** One that was only unpacked does not find its libraries. */
function usable(command: string | undefined): string | undefined {
	return command !== undefined && spawnSync(command, ['--version']).status === 0 ? command : undefined;
}

test('systemd accepts the units', {skip: systemdAnalyze === undefined && 'no systemd-analyze on this machine'}, () => {
	const directory = mkdtempSync(join(tmpdir(), 'pg_back-units-'));
	try {
		cpSync(join(root, 'contrib/systemd'), directory, {recursive: true});
		const service = join(directory, 'pg_back@.service');
		// It looks whether the program is there.
		writeFileSync(service, readFileSync(service, 'utf8').replace('/usr/bin/pg_back', process.execPath));
		const units = ['service', 'timer'].map(type => join(directory, `pg_back@main.${type}`));
		const {status, stderr} = spawnSync(systemdAnalyze!, ['verify', '--man=no', ...units], {encoding: 'utf8'});
		assert.deepEqual({status, stderr}, {status: 0, stderr: ''});
		const exposure = spawnSync(
			systemdAnalyze!,
			['security', '--offline=yes', '--no-pager', '--threshold=30', service],
			{
				encoding: 'utf8',
			},
		);
		assert.equal(exposure.status, 0, exposure.stdout + exposure.stderr);
	} finally {
		rmSync(directory, {recursive: true});
	}
});

test('the Kubernetes job uploads, with options that exist', async () => {
	const text = readFileSync(join(root, 'contrib/kubernetes/cronjob.yaml'), 'utf8');
	const key = await identityToRecipient(await generateIdentity());
	const args = [...text.matchAll(/^\s+- (--\S+)$/gm)].map(match =>
		match[1]!.replace('age1REPLACE_WITH_YOUR_PUBLIC_KEY', key),
	);
	assert.ok(args.includes('--upload=s3'));
	const {status, stderr, stdout} = spawnSync(process.execPath, [program, ...args, '--check-config'], {
		encoding: 'utf8',
	});
	assert.equal(status, 0, stderr);
	assert.match(stdout, /upload.*s3/);
});

test('the Kubernetes job has what the Pod Security level "restricted" asks for', () => {
	const text = readFileSync(join(root, 'contrib/kubernetes/cronjob.yaml'), 'utf8');
	for (const line of [
		/runAsNonRoot: true/,
		/seccompProfile:\n\s+type: RuntimeDefault/,
		/allowPrivilegeEscalation: false/,
		/drop: \[ALL\]/,
		/readOnlyRootFilesystem: true/,
	])
		assert.match(text, line);
});

test('no tracked file names a package registry', () => {
	const {stdout} = spawnSync('git', ['grep', '-IlE', 'registry\\.npm|npmjs\\.(org|com)/|deb\\.debian\\.org'], {
		cwd: root,
		encoding: 'utf8',
	});
	assert.deepEqual(
		stdout.split('\n').filter(file => file !== '' && !file.endsWith('setup-packaging.test.ts')),
		[],
	);
});
