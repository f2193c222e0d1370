/** Measures how long processes of this host have waited for a processor or a disk (Linux: /proc/pressure). */
import {readFile} from 'node:fs/promises';

/** Seconds since the host was started in which at least one process waited. */
export type Pressure = {readonly cpu: number; readonly io: number};

/** Returns undefined if the kernel does not report it. */
export async function readPressure(): Promise<Pressure | undefined> {
	if (process.platform !== 'linux') return undefined;
	const [cpu, io] = await Promise.all(
		['cpu', 'io'].map(async name => {
			const text = await readFile(`/proc/pressure/${name}`, 'utf8').catch(() => ''); // older kernels, psi=0
			const total = /^some .*\btotal=(\d+)/m.exec(text)?.[1];
			return total === undefined ? undefined : Number(total) / 1e6;
		}),
	);
	return cpu === undefined || io === undefined ? undefined : {cpu, io};
}
