// Debian packages unpacked into a folder, without root and without touching the system: fetched by apt with lists of our own,
// and their programs made to find their libraries beside them.
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {debianDirectory} from './find.mjs';
import {mustRun, run} from './run.mjs';

/** Maintainer scripts of these never run here, and nothing that we start needs them. */
const notNeeded =
	/^(postgresql-(client-)?common|perl(-modules.*|-base)?|libperl.*|libjson-perl|ssl-cert|debconf|ucf|lsb-.*|sensible-utils|adduser|libllvm.*|libz3.*|libpam.*|procps|sysvinit-utils|init-system-helpers|libsystemd-shared)$/;

/** What a newer system has in a compatible form. */
const systemLibraries = /^(libc6|libc-bin|libcrypt1|libgcc-s1|libstdc\+\+6|gcc-\d+-base|tzdata)$/;

/** Where libc puts the loader of programs, by architecture and release. */
const loaders = [
	'usr/lib64/ld-linux-x86-64.so.2',
	'lib64/ld-linux-x86-64.so.2',
	'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
	'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
	'usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1',
];

/** Unpacks `packages` and those of their dependencies that the machine lacks into .tools/debian. */
export async function unpackPackages(packages) {
	const building = `${debianDirectory}.new`;
	rmSync(building, {recursive: true, force: true});
	await withApt({status: '/var/lib/dpkg/status'}, async apt => {
		const names = [...(await missingPackages(apt, packages)), ...(await missingPackages(apt, ['patchelf']))];
		await unpack(apt, names, building);
	});
	await findOwnLibraries(building, debianDirectory, undefined);
	// Another call may have unpacked other packages there, or the same: links and running programs are replaced.
	mkdirSync(debianDirectory, {recursive: true});
	await mustRun('cp', ['-a', '--remove-destination', `${building}/.`, debianDirectory]);
	rmSync(building, {recursive: true});
}

/** Unpacks the PostgreSQL clients of `majors`, of a newer Debian with all their libraries, libc included: each into directoryOf(major). */
export async function unpackNewerClients(majors, directoryOf) {
	await withApt({status: '/dev/null', sources: newerSources()}, async apt => {
		for (const major of majors) await unpackClient(apt, `postgresql-client-${major}`, directoryOf(major));
	});
}

/** Unpacks `packages` of Debian 13 and all that they need into `directory`, which becomes the root of a system. */
export async function unpackSystem(packages, directory) {
	await withApt({status: '/dev/null', sources: suiteSources(['trixie'])}, async apt => {
		const {stdout} = await mustRun('apt-get', [
			...apt.options,
			'-s',
			'-y',
			'--no-install-recommends',
			'install',
			...packages,
		]);
		await unpack(
			apt,
			[...stdout.matchAll(/^Inst (\S+)/gm)].map(match => match[1]),
			directory,
			{intoSystem: true},
		);
	});
}

/** Unpacks the clients of `majors`, of whichever suite has them and with its libraries, into /opt of the system in `directory`. */
export async function unpackClientsInto(majors, directory) {
	for (const [suites, ownLibc] of [
		[['trixie', 'forky', 'sid'], true],
		[['bookworm'], false],
		[['bullseye'], false],
	]) {
		await withApt({status: '/dev/null', sources: suiteSources(suites)}, async apt => {
			for (const major of majors) {
				const own = `opt/postgresql-${major}`;
				if (existsSync(join(directory, own))) continue;
				if ((await run('apt-cache', [...apt.options, 'show', `postgresql-client-${major}`])).code !== 0) continue;
				await unpackClient(apt, `postgresql-client-${major}`, join(directory, own), {
					finalDirectory: `/${own}`,
					ownLibc,
				});
				mkdirSync(join(directory, 'usr/lib/postgresql'), {recursive: true});
				symlinkSync(`/${own}/usr/lib/postgresql/${major}`, join(directory, `usr/lib/postgresql/${major}`));
			}
		});
	}
	const missing = majors.filter(major => !existsSync(join(directory, `opt/postgresql-${major}`)));
	if (missing.length > 0) throw new Error(`Debian has no clients of PostgreSQL ${missing.join(', ')}`);
}

/** Without `ownLibc` the programs run on the system's libc, which must be as new. */
async function unpackClient(apt, clientPackage, directory, {finalDirectory = directory, ownLibc = true} = {}) {
	const building = `${directory}.new`;
	rmSync(building, {recursive: true, force: true});
	const only = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(kind => `--no-${kind}`);
	const {stdout} = await mustRun('apt-cache', [...apt.options, 'depends', ...only, clientPackage]);
	const libraries = [...stdout.matchAll(/^ {2}(?:Pre)?Depends: ([a-z0-9][a-z0-9+.-]*)$/gm)]
		.map(match => match[1])
		.filter(name => !notNeeded.test(name));
	if (libraries.length === 0) throw new Error(`Debian has no ${clientPackage}`);
	const names = [clientPackage, ...(await missingPackages(apt, [...libraries, 'patchelf']))];
	await unpack(apt, ownLibc ? names : names.filter(name => !systemLibraries.test(name)), building);
	const loader = ownLibc ? loaders.find(path => existsSync(join(building, path))) : undefined;
	if (ownLibc && loader === undefined) throw new Error(`no program loader among the libraries of ${clientPackage}`);
	await findOwnLibraries(building, finalDirectory, loader);
	rmSync(directory, {recursive: true, force: true});
	renameSync(building, directory);
}

/** Calls `action` with options that make apt use a state of its own, of the packages that `status` says are installed. */
async function withApt({status, sources}, action) {
	if ((await run('apt-get', ['--version'])).code !== 0)
		throw new Error('this machine has no apt-get; install the tools by hand');
	const state = mkdtempSync(join(tmpdir(), 'pg_back-apt-'));
	try {
		for (const directory of ['lists/partial', 'cache/archives/partial'])
			mkdirSync(join(state, directory), {recursive: true});
		const settings = [
			`Dir::State=${state}`,
			`Dir::State::Lists=${state}/lists`,
			`Dir::State::status=${status}`,
			`Dir::Cache=${state}/cache`,
			'Debug::NoLocking=1',
			'APT::Sandbox::User=',
			'Acquire::Languages=none',
		];
		if (sources !== undefined) {
			writeFileSync(join(state, 'sources.list'), sources);
			settings.push(`Dir::Etc::SourceList=${state}/sources.list`, 'Dir::Etc::SourceParts=-', 'APT::Default-Release=');
		}
		const options = settings.flatMap(setting => ['-o', setting]);
		await run('apt-get', [...options, 'update']);
		return await action({options, state});
	} finally {
		rmSync(state, {recursive: true, force: true});
	}
}

/** What apt would install for `packages`, less what we do not need. */
async function missingPackages(apt, packages) {
	const {stdout} = await mustRun('apt-get', [
		...apt.options,
		'-s',
		'-y',
		'--no-install-recommends',
		'install',
		...packages,
	]);
	return [...stdout.matchAll(/^Inst (\S+)/gm)].map(match => match[1]).filter(name => !notNeeded.test(name));
}

/** `intoSystem`: /bin, /lib and /sbin of the system are links into /usr, as Debian has them. */
async function unpack(apt, names, directory, {intoSystem = false} = {}) {
	const archives = join(apt.state, 'archives');
	rmSync(archives, {recursive: true, force: true});
	mkdirSync(archives);
	await mustRun('apt-get', [...apt.options, 'download', ...new Set(names)], {cwd: archives});
	mkdirSync(directory, {recursive: true});
	if (intoSystem) {
		for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
			mkdirSync(join(directory, 'usr', name), {recursive: true});
			symlinkSync(`usr/${name}`, join(directory, name));
		}
	}
	for (const archive of readdirSync(archives)) await mustRun('dpkg-deb', ['-x', join(archives, archive), directory]);
}

/**
 * Makes the programs and libraries below `directory` find each other once it has been moved to `finalDirectory`; with `loader` (a path
 * inside), which is libc's own, the programs start with that one instead of the system's.
 */
async function findOwnLibraries(directory, finalDirectory, loader) {
	const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
	const libraries = ['usr/lib', 'lib']
		.flatMap(path => [join(path, triplet), path])
		.filter(path => existsSync(join(directory, path)));
	const libraryPath = base => libraries.map(path => join(base, path)).join(':');
	const own = join(directory, 'usr/bin/patchelf');
	const patchelf = existsSync(own) ? own : 'patchelf';
	const [command, before, env] =
		loader === undefined
			? [patchelf, [], {LD_LIBRARY_PATH: libraryPath(directory)}]
			: [join(directory, loader), ['--library-path', libraryPath(directory), own], {}];
	const postgres = join(directory, 'usr/lib/postgresql');
	const majors = existsSync(postgres) ? readdirSync(postgres) : [];
	const programs = [
		'usr/bin',
		'usr/sbin',
		'bin',
		'sbin',
		'usr/lib/openssh',
		...majors.map(major => `usr/lib/postgresql/${major}/bin`),
	];
	const setPath = ['--force-rpath', '--set-rpath', libraryPath(finalDirectory)];
	const setLoader = loader === undefined ? [] : ['--set-interpreter', join(finalDirectory, loader)];
	const objects = paths =>
		paths.flatMap(path => filesIn(join(directory, path))).filter(path => isElf(path) && path !== own);
	// A program that is linked statically (ldconfig) is refused, and needs nothing.
	for (const file of objects(programs)) await run(command, [...before, ...setLoader, ...setPath, file], {env});
	for (const file of objects([...libraries, ...majors.map(major => `usr/lib/postgresql/${major}/lib`)])) {
		// libc and the loader that run patchelf are not to be changed, and need nothing.
		if (!/\/(ld-linux|libc\.so)/.test(file)) await run(command, [...before, ...setPath, file], {env});
	}
}

function filesIn(directory) {
	if (!existsSync(directory)) return [];
	return readdirSync(directory)
		.map(name => join(directory, name))
		.filter(path => statSync(path, {throwIfNoEntry: false})?.isFile());
}

function isElf(path) {
	return readFileSync(path).subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1'));
}

/** The machine's own Debian mirror with the newer releases, oldest first. */
const newerSources = () => suiteSources(['trixie', 'forky', 'sid']);

function suiteSources(suites) {
	const mirror = debianMirror();
	if (mirror === undefined) throw new Error('no Debian mirror among the sources of apt');
	return suites.map(suite => `deb ${mirror.options}${mirror.uri} ${suite} main\n`).join('');
}

function debianMirror() {
	const files = ['/etc/apt/sources.list', ...filesIn('/etc/apt/sources.list.d')];
	const texts = files.filter(file => existsSync(file)).map(file => readFileSync(file, 'utf8'));
	const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
	// Its signature is checked, but not its date: a mirror that is no longer updated is as good for tests.
	const options = `[${existsSync(keyring) ? `signed-by=${keyring} ` : ''}check-valid-until=no] `;
	for (const text of texts) {
		const uri =
			/^URIs:\s*(\S+\/debian\/?)(?:\s|$)/m.exec(text)?.[1] ??
			/^deb\s+(?:\[[^\]]*\]\s+)?(\S+\/debian\/?)\s/m.exec(text)?.[1];
		if (uri !== undefined) return {uri, options};
	}
	return undefined;
}
