/** Builds the single executable of each platform: a Node.js with the bundle inside. */
import {execFileSync} from 'node:child_process';
import {
	chmodSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {buildSync} from 'esbuild';
import {type Architecture, executableName, must, output, root, say} from './project.js';

const runtime = join(root, '.tools/runtime');
const lock = join(root, 'scripts/package/runtime/package-lock.json');
const strips: Readonly<Record<Architecture, string>> = {
	x64: 'x86_64-linux-gnu-strip',
	arm64: 'aarch64-linux-gnu-strip',
};

/** Writes the executable into the output folder and returns its path. */
export function buildExecutable(architecture: Architecture): string {
	installRuntime();
	const work = join(output, `.executable-${architecture}`);
	rmSync(work, {recursive: true, force: true});
	mkdirSync(work, {recursive: true});
	const base = join(work, 'node');
	copyFileSync(nodeOf(architecture), base);
	// Symbols are a fifth of it, and are not needed in our package.
	must(strips[architecture], [base]);
	const executable = join(output, executableName(architecture));
	const launcher = join(work, 'launcher.cjs');
	buildSync({
		entryPoints: [join(root, 'scripts/package/launcher.cjs')],
		outfile: launcher,
		bundle: true,
		platform: 'node',
	});
	const configuration = join(work, 'configuration.json');
	writeFileSync(
		configuration,
		JSON.stringify({
			main: launcher,
			output: executable,
			executable: base,
			disableExperimentalSEAWarning: true,
			useSnapshot: false,
			// Created by the building Node, which is for this host's platform.
			useCodeCache: false,
			// Environment variables for other Node programs must not affect this one.
			execArgvExtension: 'none',
			assets: assets(),
		}),
	);
	must(nodeOf(process.arch === 'arm64' ? 'arm64' : 'x64'), ['--build-sea', configuration]);
	chmodSync(executable, 0o755);
	rmSync(work, {recursive: true});
	say(`built ${executable}`);
	return executable;
}

/** The bundle's modules and the texts that are printed, by name, in a fixed order. */
function assets(): Record<string, string> {
	const dist = join(root, 'dist');
	const names = readdirSync(dist)
		.filter(name => /^(?:version|help)\.txt$|\.(?:js|conf)$/.test(name))
		.sort();
	return Object.fromEntries(names.map(name => [name, join(dist, name)]));
}

function nodeOf(architecture: Architecture): string {
	return join(runtime, `node_modules/node-linux-${architecture}/bin/node`);
}

/** Both platforms' packages, on any host. */
function installRuntime(): void {
	const installed = join(runtime, 'package-lock.json');
	if (existsSync(installed) && readFileSync(installed, 'utf8') === readFileSync(lock, 'utf8')) return;
	say('getting the Node.js for the executables …');
	const building = `${runtime}.new`;
	rmSync(building, {recursive: true, force: true});
	mkdirSync(building, {recursive: true});
	for (const name of ['package.json', 'package-lock.json'])
		copyFileSync(join(root, 'scripts/package/runtime', name), join(building, name));
	execFileSync('npm', ['ci', '--force', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'], {
		cwd: building,
		stdio: ['ignore', 'ignore', 'inherit'],
	});
	rmSync(runtime, {recursive: true, force: true});
	execFileSync('mv', [building, runtime]);
}
