// The npm packages of PostgreSQL servers hold no symbolic links, only a list of them that an install script would follow.
import {chmodSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync} from 'node:fs';
import {dirname, join, relative} from 'node:path';

/** Makes the links of every such package below `directory`/node_modules. */
export function makeSymbolicLinks(directory) {
	const packages = readdirSync(join(directory, 'node_modules')).filter(name => /^pg\d+$/.test(name));
	for (const folder of packages.map(name => join(directory, 'node_modules', name))) {
		const list = join(folder, 'native/pg-symlinks.json');
		if (!existsSync(list)) continue;
		for (const {source, target} of JSON.parse(readFileSync(list, 'utf8'))) {
			const link = join(folder, target);
			rmSync(link, {force: true});
			symlinkSync(relative(dirname(link), join(folder, source)), link);
		}
		for (const program of readdirSync(join(folder, 'native/bin')))
			chmodSync(join(folder, 'native/bin', program), 0o755);
	}
}
