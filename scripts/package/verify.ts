/**
 * Tests the packages as their users would: `npm run test:package`. Builds them twice and compares; installs, uses,
 * upgrades and removes the deb on minimal Debian roots, and the rpm with rpm; runs the arm64 executable under an
 * emulator. Needs root, for the roots.
 */
import {spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
	appendFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {epoch, executableName, output, root, version} from './project.js';

// One time for both builds, regardless of commits in the meantime.
process.env['SOURCE_DATE_EPOCH'] ??= String(epoch);
const scratch = mkdtempSync(join(tmpdir(), 'pg_back-package-'));
let passed = 0;
let failed = 0;
let skipped = 0;

try {
	if (process.getuid?.() === 0) verify();
	else skip('everything', 'minimal roots need root');
} finally {
	rmSync(scratch, {recursive: true, force: true});
	process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
	process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function verify(): void {
	const parts = ['deb', 'rpm', 'npm'];
	check('the packages build', () =>
		run('node', [join(root, 'scripts/with-setup.mjs'), 'scripts/package/main.ts', ...parts]),
	);
	const first = sums();
	check('a second build is the same to the byte', () => {
		run('node', [join(root, 'scripts/with-setup.mjs'), 'scripts/package/main.ts', ...parts]);
		const second = sums();
		for (const [name, digest] of first) equal(`${name} ${second.get(name) ?? 'missing'}`, `${name} ${digest}`);
	});
	for (const suite of ['bookworm', 'trixie']) verifyDeb(suite);
	verifyRpm();
	verifyNpm();
	check('the arm64 executable runs under an emulator', () => {
		const path = join(output, executableName('arm64'));
		equal(run('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', path, '--version']), `pg_back version ${version}\n`);
	});
}

function verifyDeb(suite: string): void {
	const directory = join(scratch, suite);
	const inside = (script: string) => run('chroot', [directory, 'sh', '-ec', script]);
	if (!check(`${suite}: a minimal root`, () => makeRoot(suite, directory))) return;
	const deb = `pg-back_${version}_${process.arch === 'arm64' ? 'arm64' : 'amd64'}.deb`;
	cpSync(join(output, deb), join(directory, deb));
	try {
		check(`${suite}: the deb installs on a machine without Node.js`, () => {
			inside(`apt-get update -q && apt-get install -y -q --no-install-recommends /${deb}`);
			equal(inside('pg_back --version'), `pg_back version ${version}\n`);
			equal(inside('stat -c "%U %a" /var/backups/postgresql'), 'postgres 700\n');
			equal(inside('stat -c "%U %G %a" /etc/pg_back/pg_back.conf'), 'root postgres 640\n');
		});
		check(`${suite}: the first dump as postgres, verified and proven by a drill`, () => {
			inside(
				'apt-get install -y -q --no-install-recommends postgresql && pg_ctlcluster $(ls /etc/postgresql) main start',
			);
			const asPostgres = (command: string) => inside(`runuser -u postgres -- ${command}`);
			asPostgres('psql -qc "create table t as select 1 as a"');
			asPostgres('pg_back --dry-run');
			asPostgres('pg_back -S sha256 -j 2');
			asPostgres('pg_back --verify');
			asPostgres('pg_back --restore-drill');
			asPostgres('pg_back --check-age 1h');
		});
		check(`${suite}: an upgrade keeps the configuration, a removal keeps the dumps`, () => {
			inside('echo "jobs = 2" >> /etc/pg_back/pg_back.conf');
			inside(`dpkg --force-confold -i /${deb}`);
			inside('grep -q "^jobs = 2" /etc/pg_back/pg_back.conf');
			inside('apt-get purge -y -q pg-back');
			inside('test ! -e /usr/bin/pg_back && ls /var/backups/postgresql/*.dump && getent passwd postgres');
		});
	} finally {
		spawnSync('chroot', [directory, 'sh', '-c', 'pg_ctlcluster $(ls /etc/postgresql) main stop -m immediate']);
		for (const mount of ['proc', 'dev']) spawnSync('umount', ['-l', join(directory, mount)]);
	}
}

/** Minimal systems are kept as archives in .tools. */
function makeRoot(suite: string, directory: string): void {
	const archive = join(root, '.tools/roots', `${suite}.tar`);
	mkdirSync(directory, {recursive: true});
	if (!existsSync(archive)) {
		mkdirSync(join(archive, '..'), {recursive: true});
		run('debootstrap', ['--variant=minbase', '--include=ca-certificates', suite, directory, mirror()]);
		run('tar', ['-C', directory, '-cf', `${archive}.new`, '.']);
		renameSync(`${archive}.new`, archive);
	} else run('tar', ['-C', directory, '-xf', archive]);
	for (const name of readdirSync('/etc/apt/apt.conf.d'))
		cpSync(join('/etc/apt/apt.conf.d', name), join(directory, 'etc/apt/apt.conf.d', name));
	for (const file of ['/etc/resolv.conf', '/etc/hosts', '/etc/ssl/certs/ca-certificates.crt'])
		if (existsSync(file)) cpSync(file, join(directory, file), {dereference: true});
	appendFileSync(join(directory, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', {mode: 0o755});
	run('mount', ['-t', 'proc', 'proc', join(directory, 'proc')]);
	run('mount', ['--bind', '/dev', join(directory, 'dev')]);
}

function verifyRpm(): void {
	const directory = join(scratch, 'rpm');
	check('the rpm installs, runs and is removed by rpm', () => {
		mkdirSync(directory);
		run('tar', ['-C', directory, '-xf', join(root, '.tools/roots/bookworm.tar')]);
		const rpm = (...args: string[]) =>
			run('rpm', ['--root', directory, '--dbpath', '/var/lib/rpm-test', '--nodeps', ...args]);
		rpm('-i', join(output, `pg-back-${version}-1.x86_64.rpm`));
		// The names of these packages are Debian's here: rpm cannot resolve them.
		for (const name of ['libatomic.so.1', 'libstdc++.so.6'])
			run('cp', ['-L', `/usr/lib/x86_64-linux-gnu/${name}`, join(directory, 'usr/lib/x86_64-linux-gnu/')]);
		equal(run('chroot', [directory, 'pg_back', '--version']), `pg_back version ${version}\n`);
		equal(run('chroot', [directory, 'stat', '-c', '%U %a', '/var/backups/postgresql']), 'postgres 700\n');
		rpm('-e', 'pg-back');
		equal(String(existsSync(join(directory, 'usr/bin/pg_back'))), 'false');
	});
}

function verifyNpm(): void {
	check('the npm tarball installs small, with no package beside it', () => {
		const directory = join(scratch, 'npm');
		mkdirSync(directory);
		const tarball = readdirSync(output).find(name => name.endsWith('-npm.tgz')) ?? '';
		run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefix', directory, join(output, tarball)]);
		equal(
			readdirSync(join(directory, 'node_modules'))
				.filter(name => !name.startsWith('.'))
				.join(' '),
			'pg_back',
		);
		const kilobytes = Number(run('du', ['-sk', join(directory, 'node_modules')]).split('\t')[0]);
		if (kilobytes > 15_000) throw new Error(`it takes ${kilobytes} kB`);
		equal(
			run(process.execPath, [join(directory, 'node_modules/pg_back/dist/pg_back.cjs'), '--version']),
			`pg_back version ${version}\n`,
		);
	});
}

/** Returns the mirror of this host's apt. */
function mirror(): string {
	const lines = run('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages']).split('\n');
	return lines.find(line => /\/debian\/?$/.test(line)) ?? lines[0] ?? '';
}

function sums(): ReadonlyMap<string, string> {
	const names = readdirSync(output).filter(name => /\.(?:deb|rpm|tgz)$/.test(name) || name.includes('linux-x64'));
	return new Map(
		names
			.filter(name => !name.endsWith('.oci.tar'))
			.map(name => [
				name,
				createHash('sha256')
					.update(readFileSync(join(output, name)))
					.digest('hex'),
			]),
	);
}

function check(name: string, action: () => void): boolean {
	const started = performance.now();
	try {
		action();
		passed += 1;
		process.stdout.write(`ok  ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`);
		return true;
	} catch (error) {
		failed += 1;
		process.stdout.write(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
		return false;
	}
}

function skip(name: string, reason: string): void {
	skipped += 1;
	process.stdout.write(`skipped: ${reason}\n    ${name}\n`);
}

function run(command: string, args: readonly string[]): string {
	const {status, stdout, stderr, error} = spawnSync(command, args, {
		encoding: 'utf8',
		cwd: root,
		maxBuffer: 1 << 26,
		env: {...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive'},
	});
	if (status === 0) return stdout;
	const last = `${stdout}${stderr}${error === undefined ? '' : error.message}`.trim().split('\n').slice(-6).join(' | ');
	throw new Error(`${command} ${args.join(' ').slice(0, 100)} ended with ${String(status)}: ${last}`);
}

function equal(actual: string, expected: string): void {
	if (actual !== expected) throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
}
