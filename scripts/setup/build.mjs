// dist/, when a source is newer than it.
import {existsSync, readdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {root} from './find.mjs';
import {withLock} from './lock.mjs';
import {run, say, seconds} from './run.mjs';

const builders = ['build', 'builtin-modules', 'eager-functions', 'join-chunks', 'source-name', 'stub'].map(
	name => `scripts/${name}.mjs`,
);
const inputs = [
	'source',
	'scripts/eager-functions.txt',
	'package.json',
	'package-lock.json',
	'pg_back.conf',
	...builders,
];
const program = join(root, 'dist/pg_back.cjs');

/** Builds with the given Node when needed. */
export async function buildIfStale(node) {
	if (!isStale()) return;
	await withLock('build', async () => {
		if (!isStale()) return;
		const start = performance.now();
		const {code, output} = await run(node, [join(root, 'scripts/build.mjs')], {cwd: root});
		if (code !== 0) throw new Error(`the build failed:\n${output}`);
		say(`built dist/ (${seconds(start)})`);
	});
}

function isStale() {
	if (!existsSync(program)) return true;
	const built = statSync(program).mtimeMs;
	return inputs.some(input => newest(join(root, input)) > built);
}

function newest(path) {
	const stat = statSync(path, {throwIfNoEntry: false});
	if (stat === undefined) return 0;
	if (!stat.isDirectory()) return stat.mtimeMs;
	// The folder's own time tells of files that went away.
	return readdirSync(path).reduce((time, name) => Math.max(time, newest(join(path, name))), stat.mtimeMs);
}
