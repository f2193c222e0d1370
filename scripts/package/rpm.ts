/** Builds the package for systems with rpm, with Debian's rpm tools. */
import {readdirSync, readFileSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {type Architecture, description, epoch, must, output, put, root, say, version} from './project.js';
import {makeTree} from './tree.js';

const rpmNames: Readonly<Record<Architecture, string>> = {x64: 'x86_64', arm64: 'aarch64'};

/** Writes `pg-back-VERSION-1.ARCHITECTURE.rpm` and returns its path. */
export function buildRpm(architecture: Architecture, executable: string): string {
	const top = join(output, `.rpm-${architecture}`);
	rmSync(top, {recursive: true, force: true});
	const tree = join(top, 'tree');
	makeTree(tree, executable);
	const specification = join(top, 'pg-back.spec');
	put(specification, spec(tree));
	const defines = {
		_topdir: top,
		_buildhost: 'localhost',
		_build_id_links: 'none',
		use_source_date_epoch_as_buildtime: '1',
		clamp_mtime_to_source_date_epoch: '1',
		source_date_epoch_from_changelog: '0',
		_binary_payload: 'w10.zstdio',
		_dbpath: join(top, 'database'),
		__strip: '/bin/true',
		__os_install_post: '%{nil}',
		debug_package: '%{nil}',
	};
	must('rpmbuild', [
		'-bb',
		'--target',
		rpmNames[architecture],
		...Object.entries(defines).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
		specification,
	]);
	const built = readdirSync(join(top, 'RPMS'), {recursive: true, encoding: 'utf8'}).find(name => name.endsWith('.rpm'));
	if (built === undefined) throw new Error('rpmbuild left no package');
	const path = join(output, `pg-back-${version}-1.${rpmNames[architecture]}.rpm`);
	renameSync(join(top, 'RPMS', built), path);
	rmSync(top, {recursive: true});
	say(`built ${path}`);
	return path;
}

function spec(tree: string): string {
	const script = (name: string) =>
		readFileSync(join(root, 'scripts/package/scripts', name), 'utf8').replace(/^#!.*\n/, '');
	return `Name: pg-back
Version: ${version}
Release: 1
Summary: Dump tool for PostgreSQL
License: PostgreSQL
Group: Applications/Databases
Requires: postgresql, libatomic, libstdc++, util-linux, shadow-utils
Provides: pg_back = ${version}
Obsoletes: pg_back < ${version}
AutoReqProv: no

%description
${description}.

%install
mkdir -p %{buildroot}
cp -a ${tree}/. %{buildroot}/

%post
${script('postinst')}
%postun
${script('postrm')}
%files
%defattr(-,root,root,-)
%dir /etc/pg_back
%config(noreplace) /etc/pg_back/pg_back.conf
%config(noreplace) /etc/logrotate.d/pg-back
/usr/bin/pg_back
/usr/lib/systemd/system/pg_back@.service
/usr/lib/systemd/system/pg_back@.timer
/usr/share/man/man1/pg_back.1.gz
/usr/share/bash-completion/completions/pg_back
/usr/share/zsh/vendor-completions/_pg_back
/usr/share/fish/vendor_completions.d/pg_back.fish
%doc /usr/share/doc/pg-back

%changelog
* ${changelogDate()} the pg_back developers <pg_back@localhost> - ${version}-1
- see /usr/share/doc/pg-back/CHANGELOG.md
`;
}

/** Returns the form of rpm: `Sat Nov 28 2026`. */
function changelogDate(): string {
	const [day, date, month, year] = new Date(epoch * 1000).toUTCString().replace(',', '').split(' ');
	return `${day ?? ''} ${month ?? ''} ${date ?? ''} ${year ?? ''}`;
}
