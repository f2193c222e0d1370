/**
 * A container image as an OCI layout in a tar file, made without a daemon: Debian packages unpacked, the PostgreSQL clients of every
 * major that Debian's suites have, and the executable. Load it with `skopeo copy oci-archive:FILE …` or `podman load -i FILE`.
 */
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {unpackClientsInto, unpackSystem} from '../setup/debian.mjs';
import {licences} from './licences.js';
import {copy, epoch, gzip, must, output, put, say, settle, version} from './project.js';

/** What the program and the tools of PostgreSQL need of a system. */
const systemPackages = [
	'base-files',
	'bash',
	'ca-certificates',
	'coreutils',
	'libatomic1',
	'libstdc++6',
	'netbase',
	'tini',
	'tzdata',
	'util-linux',
];
export const clientMajors = [13, 15, 17, 18] as const;
const user = 1000;

/** Writes `pg_back-VERSION-linux-x64.oci.tar` and returns its path. */
export async function buildOci(executable: string): Promise<string> {
	const work = join(output, '.oci');
	rmSync(work, {recursive: true, force: true});
	const system = join(work, 'system');
	mkdirSync(system, {recursive: true});
	await unpackSystem(systemPackages, system);
	await unpackClientsInto(clientMajors, system);
	finishSystem(system, executable);
	const path = join(output, `pg_back-${version}-linux-x64.oci.tar`);
	writeLayout(work, system, path);
	rmSync(work, {recursive: true});
	say(`built ${path}`);
	return path;
}

/** Of the documents only what the licences ask for. Links are never followed. */
function keepCopyrights(directory: string): void {
	for (const entry of readdirSync(directory, {withFileTypes: true})) {
		const path = join(directory, entry.name);
		if (entry.isDirectory()) keepCopyrights(path);
		else if (entry.name !== 'copyright' && !entry.isSymbolicLink()) rmSync(path);
	}
}

/** What maintainer scripts would have done. */
function finishSystem(system: string, executable: string): void {
	const to = (path: string) => join(system, path);
	copy(executable, to('usr/bin/pg_back'), 0o755);
	const certificates = readdirSync(to('usr/share/ca-certificates/mozilla')).sort();
	put(
		to('etc/ssl/certs/ca-certificates.crt'),
		certificates.map(name => readFileSync(to(`usr/share/ca-certificates/mozilla/${name}`), 'utf8')).join(''),
	);
	put(to('etc/passwd'), `root:x:0:0:root:/root:/bin/bash\npg_back:x:${user}:${user}::/var/lib/pg_back:/bin/bash\n`);
	put(to('etc/group'), `root:x:0:\npg_back:x:${user}:\n`);
	if (!existsSync(to('bin/sh'))) symlinkSync('bash', to('usr/bin/sh'));
	for (const directory of ['tmp', 'var/backups/postgresql', 'var/lib/pg_back'])
		mkdirSync(to(directory), {recursive: true});
	keepCopyrights(to('usr/share/doc'));
	put(to('usr/share/doc/pg-back/copyright'), licences());
	for (const left of ['usr/share/man', 'usr/share/locale', 'var/cache', 'var/lib/apt'])
		rmSync(to(left), {recursive: true, force: true});
	settle(system);
}

function writeLayout(work: string, system: string, path: string): void {
	const layout = join(work, 'layout');
	const layer = join(work, 'layer.tar');
	const tar = [
		'--sort=name',
		`--mtime=@${epoch}`,
		'--numeric-owner',
		'--format=posix',
		'--pax-option=delete=atime,delete=ctime',
	];
	const owned = ['./var/backups/postgresql', './var/lib/pg_back', './tmp'];
	must('tar', [
		...tar,
		'--owner=0',
		'--group=0',
		'-C',
		system,
		'-cf',
		layer,
		...owned.flatMap(one => ['--exclude', one]),
		'.',
	]);
	must('tar', [
		...tar,
		`--owner=${user}`,
		`--group=${user}`,
		'--mode=0700',
		'-C',
		system,
		'-rf',
		layer,
		...owned.slice(0, 2),
	]);
	must('tar', [...tar, '--owner=0', '--group=0', '--mode=1777', '-C', system, '-rf', layer, './tmp']);
	const plain = readFileSync(layer);
	const blob = (content: Buffer, mediaType: string) => {
		const digest = createHash('sha256').update(content).digest('hex');
		put(join(layout, 'blobs/sha256', digest), content);
		return {mediaType, digest: `sha256:${digest}`, size: content.length};
	};
	const json = (value: unknown) => Buffer.from(JSON.stringify(value));
	const layerBlob = blob(gzip(plain), 'application/vnd.oci.image.layer.v1.tar+gzip');
	const created = new Date(epoch * 1000).toISOString();
	const configuration = blob(
		json({
			created,
			architecture: 'amd64',
			os: 'linux',
			config: {
				User: String(user),
				Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8', 'HOME=/var/lib/pg_back'],
				Entrypoint: ['/usr/bin/tini', '--', '/usr/bin/pg_back'],
				Volumes: {'/var/backups/postgresql': {}},
				Labels: {'org.opencontainers.image.title': 'pg_back', 'org.opencontainers.image.version': version},
			},
			rootfs: {type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(plain).digest('hex')}`]},
			history: [{created, created_by: 'npm run package -- oci'}],
		}),
		'application/vnd.oci.image.config.v1+json',
	);
	const manifestType = 'application/vnd.oci.image.manifest.v1+json';
	const manifest = blob(
		json({schemaVersion: 2, mediaType: manifestType, config: configuration, layers: [layerBlob]}),
		manifestType,
	);
	const reference = {...manifest, annotations: {'org.opencontainers.image.ref.name': `pg_back:${version}`}};
	put(join(layout, 'index.json'), json({schemaVersion: 2, manifests: [reference]}));
	put(join(layout, 'oci-layout'), json({imageLayoutVersion: '1.0.0'}));
	settle(layout);
	must('tar', [...tar, '--owner=0', '--group=0', '-C', layout, '-cf', path, '.']);
}
