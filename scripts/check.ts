/** Runs every check that does not run the program: types, lint, import rules, format, generated texts. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';

const root = join(import.meta.dirname, '..');
const {scripts} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {scripts: Record<string, string>};
const checks = Object.keys(scripts).filter(name => name.startsWith('check:'));
// Uses this Node directly: npm itself may be an old one, on an old Node.
const env = {
	...process.env,
	PATH: [join(process.execPath, '..'), join(root, 'node_modules/.bin'), process.env['PATH']].join(':'),
};

/** Sequential, because each uses both cores or much memory. All are run, so that one call shows every problem. */
const failed: string[] = [];
for (const check of checks) {
	const started = performance.now();
	const child = spawn('sh', ['-c', scripts[check] ?? 'false'], {stdio: 'inherit', cwd: root, env});
	const [code] = (await once(child, 'close')) as [number | null];
	const seconds = ((performance.now() - started) / 1000).toFixed(1);
	process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'}  ${check} (${seconds} s)\n`);
	if (code !== 0) failed.push(check);
}
process.exitCode = failed.length === 0 ? 0 : 1;
