/** Runs the programs of the benches in separate processes, and measures duration, processor time and memory. */
import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFile} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {text} from 'node:stream/consumers';
import {promisify} from 'node:util';
import {build} from 'esbuild';
import {optionalParts} from '../optional-parts.mjs';

/** Seconds of the work and of processor time, peak memory in MiB; `done`: the count of the work itself. */
export type Measure = {readonly done: number; readonly seconds: number; readonly cpu: number; readonly memory: number};

/** Bundles a script as it would be shipped, so that no loader's time and memory are measured. Returns its path. */
export async function bundle(script: string, directory: string): Promise<string> {
	const outfile = join(directory, `${basename(script, '.ts')}.mjs`);
	await build({
		entryPoints: [script],
		outfile,
		bundle: true,
		format: 'esm',
		platform: 'node',
		...optionalParts,
		define: {'process.env.NODE_ENV': '"production"'},
		banner: {
			js: "import {createRequire as __createRequire} from 'node:module'; const require = __createRequire(import.meta.url); const __dirname = import.meta.dirname;",
		},
	});
	return outfile;
}

/** Runs a bundled client, which measures itself without its start. */
export async function measureClient(client: string, args: readonly string[]): Promise<Measure> {
	const {stdout} = await promisify(execFile)(process.execPath, [client, ...args]);
	return JSON.parse(stdout) as Measure;
}

/** Measures the work inside of such a client. */
export async function reportWork(work: () => Promise<number>): Promise<void> {
	const before = process.cpuUsage();
	const start = performance.now();
	const done = await work();
	const seconds = (performance.now() - start) / 1000;
	const {user, system} = process.cpuUsage(before);
	const memory = process.resourceUsage().maxRSS / 1024;
	process.stdout.write(JSON.stringify({done, seconds, cpu: (user + system) / 1e6, memory}));
}

/**
 * Runs another program from its start to its end. The processor time includes its children; the memory is that of the
 * program alone, sampled. Throws when it ends with a status other than 0 or `statuses`.
 */
export async function measureCommand(
	command: string,
	args: readonly string[],
	options: {
		readonly input?: string;
		readonly env?: Readonly<Record<string, string>>;
		readonly statuses?: readonly number[];
	} = {},
): Promise<Measure> {
	// bash instead of sh: its `time` adds up user and system time of all waited-for processes.
	const child = spawn('bash', ['-c', 'TIMEFORMAT="%R %U %S"; time "$@"', 'bash', command, ...args], {
		stdio: ['pipe', 'ignore', 'pipe'],
		env: {...process.env, ...options.env, LC_ALL: 'C'},
	});
	child.stdin.end(options.input);
	let memory = 0;
	const sampler = setInterval(() => {
		void peakOfChild(child.pid!).then(
			peak => (memory = Math.max(memory, peak)),
			() => undefined, // it has not started, or has just exited
		);
	}, 50);
	const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close') as Promise<[number | null]>]);
	clearInterval(sampler);
	if (code === null || ![0, ...(options.statuses ?? [])].includes(code))
		throw new Error(`${command} ended with status ${String(code)}: ${errors}`);
	const [seconds = 0, user = 0, system = 0] = (errors.trimEnd().split('\n').at(-1) ?? '').split(' ').map(Number);
	return {done: 0, seconds, cpu: user + system, memory};
}

async function peakOfChild(pid: number): Promise<number> {
	const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
	const status = await readFile(`/proc/${children.trim()}/status`, 'utf8');
	return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
}
