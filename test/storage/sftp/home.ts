import {copyFile, mkdir, mkdtemp, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

/** A home directory whose ~/.ssh holds a copy of `knownHosts`, and `config` where one is given. */
export async function homeWith(scratch: string, knownHosts: string | undefined, config?: string): Promise<string> {
	const home = await mkdtemp(join(scratch, 'home-'));
	await mkdir(join(home, '.ssh'), {mode: 0o700});
	if (knownHosts !== undefined) await copyFile(knownHosts, join(home, '.ssh', 'known_hosts'));
	if (config !== undefined) await writeFile(join(home, '.ssh', 'config'), config);
	return home;
}
