/** Builds the Debian package, which replaces that of pg_back 2. */
import {rmSync} from 'node:fs';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {type Architecture, description, must, output, put, root, say, settle, sizeOf, version} from './project.js';
import {makeTree} from './tree.js';

const debianNames: Readonly<Record<Architecture, string>> = {x64: 'amd64', arm64: 'arm64'};

/** Writes `pg-back_VERSION_ARCHITECTURE.deb` and returns its path. */
export function buildDeb(architecture: Architecture, executable: string): string {
	const tree = join(output, `.deb-${architecture}`);
	makeTree(tree, executable);
	const script = (name: string) => readFileSync(join(root, 'scripts/package/scripts', name));
	put(join(tree, 'DEBIAN/control'), control(architecture, sizeOf(tree)));
	put(join(tree, 'DEBIAN/conffiles'), '/etc/pg_back/pg_back.conf\n/etc/logrotate.d/pg-back\n');
	put(join(tree, 'DEBIAN/postinst'), script('postinst'), 0o755);
	put(join(tree, 'DEBIAN/postrm'), script('postrm'), 0o755);
	settle(tree);
	const path = join(output, `pg-back_${version}_${debianNames[architecture]}.deb`);
	must('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z10', '--build', tree, path]);
	rmSync(tree, {recursive: true});
	say(`built ${path}`);
	return path;
}

function control(architecture: Architecture, size: number): string {
	return `Package: pg-back
Version: ${version}
Architecture: ${debianNames[architecture]}
Maintainer: the pg_back developers <pg_back@localhost>
Section: database
Priority: optional
Installed-Size: ${size}
Depends: libc6 (>= 2.28), libstdc++6, libgcc-s1, libatomic1, util-linux, passwd, postgresql-client
Recommends: ca-certificates
Suggests: logrotate
Conflicts: pgback
Replaces: pgback
Description: dump tool for PostgreSQL
 ${description}.
`;
}
