// The packages of package-lock.json, and with them the Node that the project brings.
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {root, toolsDirectory} from './find.mjs';
import {withLock} from './lock.mjs';
import {mustRun, run, say, seconds} from './run.mjs';

/**
 * Where the package's own file is. npm 9, which Debian 12 and 13 have, makes no link to it in node_modules/.bin.
 */
const projectNode = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);

/** Installs what is missing and gives the path of the Node to run everything with. */
export async function setUpDependencies() {
	if (dependenciesAreStale()) {
		await withLock('dependencies', async () => {
			if (dependenciesAreStale()) await installPackages(root);
		});
	}
	if (existsSync(projectNode)) return projectNode;
	if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
	throw new Error(
		`no Node.js 24 package for ${process.platform}-${process.arch}, and this is ${process.versions.node}: run with Node.js 24 or newer`,
	);
}

/** `npm ci` without install scripts, in `directory`. */
export async function installPackages(directory) {
	const start = performance.now();
	say(`installing packages in ${directory} …`);
	await mustRun('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'], {
		cwd: directory,
		env: await npmCache(),
	});
	say(`packages installed (${seconds(start)})`);
}

/** A user without a home that can be written (nobody, some CI) gets a cache of the project's own. */
async function npmCache() {
	const {code} = await run('sh', ['-c', 'mkdir -p "$HOME/.npm/_cacache" && test -w "$HOME/.npm/_cacache"']);
	return code === 0 ? {} : {npm_config_cache: join(toolsDirectory, 'npm-cache')};
}

/** True when a package of the lock file is missing or has another version; those for other platforms do not count. */
function dependenciesAreStale() {
	const installedLock = join(root, 'node_modules/.package-lock.json');
	if (!existsSync(installedLock)) return true;
	const wanted = packagesOf(join(root, 'package-lock.json'));
	const installed = packagesOf(installedLock);
	return Object.entries(wanted).some(
		([path, {version, optional, devOptional}]) =>
			path !== '' &&
			installed[path]?.version !== version &&
			!((optional || devOptional) && installed[path] === undefined),
	);
}

function packagesOf(lockFile) {
	return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}
