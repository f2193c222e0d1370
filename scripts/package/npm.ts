/** The tarball for npm: the bundle alone, without a Node.js and without dependencies. */
import {execFileSync} from 'node:child_process';
import {cpSync, mkdirSync, readFileSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {licences} from './licences.js';
import {output, put, root, say, settle} from './project.js';

/** Writes `pg_back-VERSION-npm.tgz` and returns its path. */
export function buildNpm(): string {
	const tree = join(output, '.npm');
	rmSync(tree, {recursive: true, force: true});
	mkdirSync(tree, {recursive: true});
	for (const name of ['dist', 'man', 'contrib', 'pg_back.conf', 'CHANGELOG.md', 'README.md', 'LICENSE'])
		cpSync(join(root, name), join(tree, name), {recursive: true, filter: path => !path.endsWith('meta.json')});
	put(join(tree, 'LICENSES.txt'), licences());
	const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
	const kept = ['name', 'version', 'description', 'license', 'type', 'bin', 'engines'];
	const manifest = Object.fromEntries(kept.map(name => [name, own[name]]));
	put(join(tree, 'package.json'), `${JSON.stringify({...manifest, man: ['man/pg_back.1']}, undefined, '\t')}\n`);
	settle(tree);
	const name = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', output], {
		cwd: tree,
		encoding: 'utf8',
	}).trim();
	rmSync(tree, {recursive: true});
	const path = join(output, name.replace('.tgz', '-npm.tgz'));
	renameSync(join(output, name), path);
	say(`built ${path}`);
	return path;
}
