/** The files of the system packages (deb and rpm), as installed. */
import {execFileSync} from 'node:child_process';
import {readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {licences} from './licences.js';
import {copy, gzip, put, root, settle} from './project.js';

const documents = ['README.md', 'CHANGELOG.md'];

/** Creates the root of a system with pg_back in `directory`. The caller removes it. */
export function makeTree(directory: string, executable: string): void {
	rmSync(directory, {recursive: true, force: true});
	const to = (path: string) => join(directory, path);
	copy(executable, to('usr/bin/pg_back'), 0o755);
	put(to('etc/pg_back/pg_back.conf'), exampleConfiguration(), 0o640);
	copy(join(root, 'contrib/logrotate/pg-back'), to('etc/logrotate.d/pg-back'));
	for (const unit of ['pg_back@.service', 'pg_back@.timer'])
		copy(join(root, 'contrib/systemd', unit), to(`usr/lib/systemd/system/${unit}`));
	put(to('usr/share/man/man1/pg_back.1.gz'), gzip(readFileSync(join(root, 'man/pg_back.1'))));
	const completion = (shell: string) =>
		execFileSync(process.execPath, [join(root, 'dist/pg_back.cjs'), '--completion', shell]);
	put(to('usr/share/bash-completion/completions/pg_back'), completion('bash'));
	put(to('usr/share/zsh/vendor-completions/_pg_back'), completion('zsh'));
	put(to('usr/share/fish/vendor_completions.d/pg_back.fish'), completion('fish'));
	for (const name of documents) copy(join(root, name), to(`usr/share/doc/pg-back/${name}`));
	put(to('usr/share/doc/pg-back/copyright'), licences());
	settle(directory);
}

/** Returns pg_back.conf with the recommended compression: the program's own default stays that of pg_back 2. */
export function exampleConfiguration(): string {
	const text = readFileSync(join(root, 'pg_back.conf'), 'utf8');
	const changed = text.replace(/^# ?compress_level = .*$|^compress_level = .*$/m, 'compress_level = auto');
	if (changed === text) throw new Error('pg_back.conf has no compress_level');
	return changed;
}
