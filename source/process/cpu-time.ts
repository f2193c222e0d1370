/** Measures the processor time of our children from /proc, on Linux. */
import {readdir, readFile} from 'node:fs/promises';

/** `utime` and `stime` are in ticks of 1/100 s on every Linux. */
const ticksPerSecond = 100;

/**
 * Returns the seconds of our descendants with `text` in their command line, including their children; undefined if
 * unknown.
 */
export async function childSeconds(text: string): Promise<number | undefined> {
	if (process.platform !== 'linux') return undefined;
	const children = await childrenOf(process.pid);
	let total: number | undefined;
	for (const pid of children) {
		const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''); // it has exited
		if (!command.includes(text)) continue;
		for (const one of [pid, ...(await childrenOf(pid))]) total = (total ?? 0) + (await secondsOf(one));
	}
	return total;
}

async function childrenOf(pid: number): Promise<number[]> {
	const tasks = await readdir(`/proc/${pid}/task`).catch(() => [] as string[]); // it has exited
	const lists = await Promise.all(
		tasks.map(task => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
	);
	return lists.flatMap(list => list.split(' ').filter(Boolean).map(Number));
}

async function secondsOf(pid: number): Promise<number> {
	const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''); // it has exited
	// The name may contain spaces and parentheses; the fields follow its last parenthesis.
	const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}
