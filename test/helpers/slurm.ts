/** A Slurm of one node on loopback, without privileges: Debian's packages unpacked, `auth/none`. */
import {type ChildProcess, execFile, spawn} from 'node:child_process';
import {chmodSync, chownSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {type AddressInfo, createServer} from 'node:net';
import {userInfo} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {debianDirectory} from '../../scripts/setup/find.mjs';
import {waitFor} from './postgres.js';
import {scratchDirectory} from './program.js';
import {whyMissing} from './tools.js';

const run = promisify(execFile);

const programs = join(debianDirectory, 'usr');
const libraries = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
	.map(machine => join(programs, 'lib', machine))
	.find(directory => existsSync(join(directory, 'slurm-wlm')));

/** Why there is none, for the reason of a skipped test. */
export const slurmMissing: string | false =
	libraries !== undefined && existsSync(join(programs, 'sbin/slurmctld-wlm')) ? false : whyMissing('slurm');

/** An account without privileges. */
const account = process.getuid?.() === 0 ? {name: 'nobody', uid: 65_534, gid: 65_534} : undefined;

export type Slurm = {
	/** Runs a command of Slurm, such as `sbatch`, and returns its output. */
	readonly command: (name: string, ...args: readonly string[]) => Promise<string>;
	/** A directory that jobs may write to. */
	readonly directory: string;
	readonly stop: () => Promise<void>;
};

export async function startSlurm(cpus: number): Promise<Slurm> {
	if (libraries === undefined) throw new Error('Slurm is not there');
	const directory = scratchDirectory('slurm');
	for (const name of ['state', 'spool', 'jobs']) {
		mkdirSync(join(directory, name));
		if (account) chownSync(join(directory, name), account.uid, account.gid);
	}
	// They look at their own names, and Debian's package names them by links that unpacking does not make.
	const daemonAt = (name: string) => {
		const link = join(directory, name);
		symlinkSync(join(programs, 'sbin', `${name}-wlm`), link);
		return link;
	};
	const [controller, daemon] = [await freePort(), await freePort()];
	const config = join(directory, 'slurm.conf');
	const user = account?.name ?? userInfo().username;
	writeFileSync(config, configuration({directory, libraries, controller, daemon, user, cpus}));
	chmodSync(config, 0o644);
	const env = {
		PATH: process.env['PATH'] ?? '',
		LD_LIBRARY_PATH: `${libraries}:${join(libraries, 'slurm-wlm')}`,
		SLURM_CONF: config,
	};
	const as = (words: readonly string[]): [string, string[]] => {
		const drop = account ? ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'] : [];
		const [command = '', ...args] = [...drop, ...words];
		return [command, args];
	};
	const command = async (name: string, ...args: readonly string[]) =>
		(await run(...as([join(programs, 'bin', name), ...args]), {env})).stdout;
	// An ordinary user, and most containers, have no control groups; older releases do without being told.
	const release = /(\d+)\./.exec(await command('sinfo', '--version'))?.[1];
	if (Number(release) >= 24) {
		const groups = join(directory, 'cgroup.conf');
		writeFileSync(groups, 'CgroupPlugin=disabled\n');
		chmodSync(groups, 0o644);
	}
	const children: ChildProcess[] = [];
	const start = (...words: readonly string[]) => {
		const child = spawn(...as(words), {env, stdio: 'ignore'});
		process.once('exit', () => child.kill('SIGKILL'));
		children.push(child);
	};
	const stop = async () => {
		for (const child of children.toReversed()) {
			child.kill('SIGTERM');
			if (child.exitCode === null && child.signalCode === null)
				await new Promise(resolve => child.once('exit', resolve));
		}
	};
	start(daemonAt('slurmctld'), '-D', '-f', config);
	start(daemonAt('slurmd'), '-D', '-f', config, '-N', 'localhost', '-d', daemonAt('slurmstepd'));
	try {
		const idle = async () => /\bidle\b/.test(await command('sinfo', '-h', '-o', '%T').catch(() => ''));
		await waitFor(idle, 'Slurm has an idle node', 60);
	} catch (error) {
		await stop();
		const logs = ['slurmctld.log', 'slurmd.log'].map(name => join(directory, 'state', name));
		const texts = logs.map(log => (existsSync(log) ? readFileSync(log, 'utf8') : `no ${log}`));
		throw new Error(`Slurm did not start: ${texts.join('\n')}`, {cause: error});
	}
	return {command, directory: join(directory, 'jobs'), stop};
}

type Facts = {
	readonly directory: string;
	readonly libraries: string;
	readonly controller: number;
	readonly daemon: number;
	readonly user: string;
	readonly cpus: number;
};

function configuration({directory, libraries: lib, controller, daemon, user, cpus}: Facts): string {
	const state = join(directory, 'state');
	return `${[
		...['ClusterName=test', 'SlurmctldHost=localhost(127.0.0.1)', `SlurmUser=${user}`, `SlurmdUser=${user}`],
		...['AuthType=auth/none', 'CredType=cred/none', `PluginDir=${join(lib, 'slurm-wlm')}`],
		...[`SlurmctldPort=${controller}`, `SlurmdPort=${daemon}`],
		...[`StateSaveLocation=${state}`, `SlurmdSpoolDir=${join(directory, 'spool')}`],
		...[`SlurmctldPidFile=${state}/slurmctld.pid`, `SlurmdPidFile=${state}/slurmd.pid`],
		...[`SlurmctldLogFile=${state}/slurmctld.log`, `SlurmdLogFile=${state}/slurmd.log`],
		...['ProctrackType=proctrack/linuxproc', 'TaskPlugin=task/none', 'SwitchType=switch/none', 'MpiDefault=none'],
		...['SelectType=select/cons_tres', 'SelectTypeParameters=CR_CPU', 'SlurmdParameters=config_overrides'],
		...['AccountingStorageType=accounting_storage/none', 'JobAcctGatherType=jobacct_gather/none'],
		...['JobCompType=jobcomp/none', 'ReturnToService=2', 'KillWait=2'],
		`NodeName=localhost NodeAddr=127.0.0.1 CPUs=${cpus} State=UNKNOWN`,
		'PartitionName=test Nodes=localhost Default=YES MaxTime=INFINITE State=UP',
	].join('\n')}\n`;
}

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	const {port} = server.address() as AddressInfo;
	await new Promise(resolve => server.close(resolve));
	return port;
}
