// Runs `SCRIPT [ARGUMENT]...` (TypeScript) with everything that it needs set up: the packages, the Node that the project
// brings, dist/, and the tools and servers. Plain JavaScript that any Node from 18 on can run; quick when all is there.
import {spawn} from 'node:child_process';
import {constants} from 'node:os';
import {delimiter, dirname, resolve} from 'node:path';
import {buildIfStale} from './setup/build.mjs';
import {setUpDependencies} from './setup/dependencies.mjs';
import {root, unpackedDirectories} from './setup/find.mjs';
import {say} from './setup/run.mjs';
import {setUpTools} from './setup/tools.mjs';

const needs = {
	'scripts/check.ts': {tools: [], build: false},
	'scripts/fuzz.ts': {tools: [], build: false},
	'scripts/list-eager-functions.ts': {tools: ['postgres'], build: true},
	'scripts/demo.ts': {tools: ['postgres'], build: true},
	'scripts/package/main.ts': {tools: ['packaging'], build: true},
	'scripts/package/verify.ts': {tools: ['packaging'], build: true},
	'scripts/bench/startup.ts': {tools: [], build: true},
	'scripts/bench/dump.ts': {tools: ['postgres'], build: true},
	'scripts/bench/restore.ts': {tools: ['postgres', 'commands'], build: true},
	'scripts/bench/scale.ts': {tools: ['postgres', 'commands'], build: true},
};
const everything = {tools: ['postgres', 'commands', 'shells', 'clients', 'servers', 'slurm'], build: true};

const [script, ...scriptArguments] = process.argv.slice(2);
if (script === undefined) {
	say('usage: node scripts/with-setup.mjs SCRIPT [ARGUMENT]...');
	process.exit(2);
}

try {
	const node = await setUpDependencies();
	const {tools, build} = needs[script] ?? everything;
	await setUpTools(tools);
	if (build) await buildIfStale(node);
	runScript(node);
} catch (error) {
	say(`setup failed: ${error.message}`);
	process.exitCode = 1;
}

/** Gives the script our terminal, passes signals on, and ends as it ends. */
function runScript(node) {
	const child = spawn(node, ['--import', 'tsx', resolve(root, script), ...scriptArguments], {
		cwd: root,
		stdio: 'inherit',
		// First the project's own Node, for every program whose first line asks for one.
		env: {
			...process.env,
			PATH: [dirname(node), process.env.PATH, ...unpackedDirectories()].filter(Boolean).join(delimiter),
		},
	});
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
		// Ctrl-C at a terminal reaches the whole process group: passing it on would make it two.
		const reachesAll = signal === 'SIGINT' && process.stdin.isTTY;
		process.on(signal, () => {
			if (!reachesAll) child.kill(signal);
		});
	}
	child.on('error', error => {
		say(`cannot start ${node}: ${error.message}`);
		process.exitCode = 1;
	});
	child.on('exit', (code, signal) => {
		process.exit(code ?? 128 + constants.signals[signal]);
	});
}
