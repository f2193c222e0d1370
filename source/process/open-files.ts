/** Looks at a child and the processes below it, through /proc. */
import {readdir, readFile, readlink} from 'node:fs/promises';
import {join} from 'node:path';

/**
 * Returns the files that a process and its children (pg_dump's workers) have open, from /proc; undefined without /proc.
 */
export async function openFiles(pid: number | undefined): Promise<ReadonlySet<string> | undefined> {
	if (pid === undefined || process.platform !== 'linux') return undefined;
	const paths = new Set<string>();
	for (const one of [pid, ...(await childrenOf(pid))]) {
		const directory = `/proc/${one}/fd`;
		const descriptors = await readdir(directory).catch(() => [] as string[]); // the process has exited
		for (const descriptor of descriptors) {
			const target = await readlink(join(directory, descriptor)).catch(() => undefined); // closed in the meantime
			if (target !== undefined) paths.add(target);
		}
	}
	return paths;
}

/**
 * Returns true when the process and all its children are stopped. One that has called vfork(2) cannot stop before its
 * child continues, and does nothing meanwhile: it counts as stopped with that child.
 */
export async function areStopped(pid: number): Promise<boolean> {
	// The process itself comes first: from then on it starts no more children.
	const state = await stateOf(pid);
	if (!['', 'T', 't', 'Z', 'X', 'D'].includes(state)) return false;
	const children = await directChildrenOf(pid);
	if (state === 'D' && children.length === 0) return false;
	const below = await Promise.all(children.map(areStopped));
	return !below.includes(false);
}

/** The state follows the name of the program, which may contain anything, and is in parentheses (proc(5)). */
async function stateOf(pid: number): Promise<string> {
	const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''); // the process has exited
	const end = text.lastIndexOf(')');
	return end === -1 ? '' : text.slice(end + 2, end + 3);
}

async function directChildrenOf(pid: number): Promise<number[]> {
	const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => ''); // the process has exited
	return text.split(' ').filter(Boolean).map(Number);
}

async function childrenOf(pid: number): Promise<number[]> {
	const direct = await directChildrenOf(pid);
	const below = await Promise.all(direct.map(childrenOf));
	return [...direct, ...below.flat()];
}
