// The tools and servers that tests and demo need, in five groups. What cannot be had is said and remembered for a day;
// the tests that need it skip with that reason.
import {copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {installPackages} from './dependencies.mjs';
import {unpackNewerClients, unpackPackages} from './debian.mjs';
import {
	findTool,
	postgresClients,
	postgresServers,
	root,
	serversDirectory,
	toolsDirectory,
	unavailable,
	unavailableFile,
} from './find.mjs';
import {installWithApt} from './apt.mjs';
import {makeSymbolicLinks} from './embedded.mjs';
import {withLock} from './lock.mjs';
import {say, seconds} from './run.mjs';

const day = 24 * 3600 * 1000;
const isRoot = process.getuid?.() === 0;
/** Command → the Debian package that has it. */
const commandPackages = {
	age: 'age',
	'age-keygen': 'age',
	flock: 'util-linux',
	setpriv: 'util-linux',
	ssh: 'openssh-client',
	sftp: 'openssh-client',
	'ssh-keygen': 'openssh-client',
	sshd: 'openssh-server',
	strace: 'strace',
	tmux: 'tmux',
};
/** What builds and runs the packages. */
const packagingPackages = {
	'dpkg-deb': 'dpkg',
	rpmbuild: 'rpm',
	'x86_64-linux-gnu-strip': 'binutils',
	'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu',
	'qemu-aarch64': 'qemu-user',
	debootstrap: 'debootstrap',
};
/** What the arm64 executable needs below the emulator. */
const emulatedLibraries = ['libc6-arm64-cross', 'libatomic1-arm64-cross', 'libstdc++6-arm64-cross'];
/** The shells that completion scripts are for, and what reads the manual: the same. */
const shellPackages = {zsh: 'zsh', fish: 'fish', groff: 'groff-base'};
/** Majors of pg_dump and psql that the tests use beside the machine's own. */
const clientMajors = [17, 18];

const groups = {
	postgres: {
		title: 'PostgreSQL',
		isThere: () =>
			postgresServers().some(({major, binDirectory}) => major >= 15 && existsSync(join(binDirectory, 'pg_dump'))),
		setUp: () => install(['postgresql']),
	},
	commands: {
		title: 'commands',
		isThere: () => missingCommands().length === 0,
		setUp: () => install([...new Set(missingCommands().map(command => commandPackages[command]))]),
		missing: () => missingCommands().join(', '),
	},
	shells: {
		title: 'shells',
		isThere: () => missingShells().length === 0,
		setUp: () => install(missingShells().map(command => shellPackages[command])),
		missing: () => missingShells().join(', '),
	},
	packaging: {
		title: 'packaging tools',
		isThere: () => missingOf(packagingPackages).length === 0,
		setUp: () =>
			install([
				...new Set(missingOf(packagingPackages).map(command => packagingPackages[command])),
				...emulatedLibraries,
			]),
		missing: () => missingOf(packagingPackages).join(', '),
	},
	clients: {
		title: 'newer PostgreSQL clients',
		isThere: () => missingClients().length === 0,
		setUp: () => unpackNewerClients(missingClients(), major => join(toolsDirectory, `pg${major}`)),
		missing: () => missingClients().join(', '),
	},
	slurm: {
		title: 'Slurm',
		isThere: () => findTool('slurmctld-wlm') !== undefined,
		// Unpacked only: nobody wants its daemons on this machine.
		setUp: () => unpackPackages(['slurmctld', 'slurmd', 'slurm-client']),
	},
	servers: {
		title: 'test servers',
		isThere: () => serversAreCurrent(),
		setUp: installServers,
	},
};

/** Sets the named groups up; fails only when the group `postgres`, without which nothing runs, cannot be had. */
export async function setUpTools(names) {
	const wanted = names.filter(name => !groups[name].isThere() && !isKnownUnavailable(name));
	if (wanted.length === 0) return;
	await withLock('tools', async () => {
		for (const name of wanted) await setUpGroup(name);
	});
}

async function setUpGroup(name) {
	const {title, isThere, setUp, missing} = groups[name];
	if (isThere()) return;
	const start = performance.now();
	const what = missing === undefined ? title : `${title}: ${missing()}`;
	say(`getting ${what} …`);
	let reason = 'installed, but not found afterwards';
	try {
		await setUp();
	} catch (error) {
		reason = error.message;
	}
	if (isThere()) {
		remember(name, undefined);
		say(`${title} ready (${seconds(start)})`);
		return;
	}
	remember(name, reason);
	if (name === 'postgres')
		throw new Error(`no PostgreSQL (15 or newer) on this machine, and none could be installed: ${reason}`);
	say(`not to be had: ${what}; tests that need it are skipped (${reason})`);
}

const missingOf = packages => Object.keys(packages).filter(command => findTool(command) === undefined);
const missingCommands = () => missingOf(commandPackages);
const missingShells = () => missingOf(shellPackages);
const missingClients = () => {
	const majors = postgresClients().map(({major}) => major);
	return clientMajors.filter(major => !majors.includes(major));
};

/** As root into the system, as an ordinary user unpacked into .tools/debian. */
async function install(packages) {
	await (isRoot ? installWithApt(packages) : unpackPackages(packages));
}

const serversLock = join(serversDirectory, 'package-lock.json');
function serversAreCurrent() {
	return (
		existsSync(serversLock) &&
		readFileSync(serversLock, 'utf8') === readFileSync(join(root, 'tools/package-lock.json'), 'utf8')
	);
}

/** The lock file gets its place last: it says that the folder is whole. */
async function installServers() {
	const building = `${serversDirectory}.new`;
	rmSync(building, {recursive: true, force: true});
	mkdirSync(building, {recursive: true});
	for (const name of ['package.json', 'package-lock.json'])
		copyFileSync(join(root, 'tools', name), join(building, name));
	await installPackages(building);
	makeSymbolicLinks(building);
	rmSync(serversDirectory, {recursive: true, force: true});
	renameSync(building, serversDirectory);
}

function isKnownUnavailable(name) {
	const entry = unavailable()[name];
	if (entry === undefined || Date.now() - Date.parse(entry.at) > day || name === 'postgres') return false;
	say(`not there: ${groups[name].title} (${entry.reason}); delete ${unavailableFile} to try again`);
	return true;
}

function remember(name, reason) {
	const {[name]: _, ...others} = unavailable();
	mkdirSync(toolsDirectory, {recursive: true});
	const entries = reason === undefined ? others : {...others, [name]: {reason, at: new Date().toISOString()}};
	writeFileSync(unavailableFile, `${JSON.stringify(entries, undefined, '\t')}\n`);
}
