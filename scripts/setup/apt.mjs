// Debian packages into the system, as root, without starting any service.
import {chmodSync, existsSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {mustRun, run, say} from './run.mjs';

const policy = '/usr/sbin/policy-rc.d';
const clusterConfiguration = '/etc/postgresql-common/createcluster.conf';
const options = {env: {DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8'}, timeout: 900_000};
const aptInstall = [
	'install',
	'-y',
	'--no-install-recommends',
	'-o',
	'DPkg::Lock::Timeout=300',
	'-o',
	'Dpkg::Options::=--force-confold',
];

/** Installs `packages`; PostgreSQL's creates no cluster, and no daemon is started, now or at the next boot. */
export async function installWithApt(packages) {
	await update();
	await withoutServices(async () => {
		if (packages.includes('postgresql'))
			await withoutMainCluster(() => mustRun('apt-get', [...aptInstall, ...packages], options));
		else await mustRun('apt-get', [...aptInstall, ...packages], options);
	});
	if (!existsSync('/run/systemd/system')) return;
	for (const [name, unit] of [
		['postgresql', 'postgresql.service'],
		['openssh-server', 'ssh.service'],
	]) {
		if (!packages.includes(name)) continue;
		await run('systemctl', ['disable', unit]);
		say(`${name} was installed for the tests: ${unit} is left disabled`);
	}
}

/** A list that cannot be fetched is not yet a failure: the packages may come from another one. */
async function update() {
	for (let attempt = 0; attempt < 60; attempt++) {
		const {output} = await run('apt-get', ['update'], options);
		if (!/unable to lock|could not get lock/i.test(output)) return;
		await sleep(2000);
	}
}

/** Debian's maintainer scripts ask this file before they start a service. */
async function withoutServices(action) {
	if (existsSync(policy)) return action();
	writeFileSync(policy, '#!/bin/sh\nexit 101\n');
	chmodSync(policy, 0o755);
	try {
		return await action();
	} finally {
		rmSync(policy, {force: true});
	}
}

async function withoutMainCluster(action) {
	await mustRun('apt-get', [...aptInstall, 'postgresql-common'], options);
	const before = readFileSync(clusterConfiguration, 'utf8');
	writeFileSync(clusterConfiguration, `${before}\ncreate_main_cluster = false\n`);
	try {
		return await action();
	} finally {
		writeFileSync(clusterConfiguration, before);
	}
}
