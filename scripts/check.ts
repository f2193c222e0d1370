/** Everything that is checked without running the program: types, lint, import rules, format, generated texts. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';

const checks = ['check:types', 'check:lint', 'check:imports', 'check:format', 'check:docs', 'check:pictures'];

/** One after the other: each uses both cores or much memory. All run, so that one call shows everything. */
const failed: string[] = [];
for (const check of checks) {
	const started = performance.now();
	const child = spawn('npm', ['run', '--silent', check], {stdio: 'inherit'});
	const [code] = (await once(child, 'close')) as [number | null];
	const seconds = ((performance.now() - started) / 1000).toFixed(1);
	process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'}  ${check} (${seconds} s)\n`);
	if (code !== 0) failed.push(check);
}
process.exitCode = failed.length === 0 ? 0 : 1;
