/** The account of throwaway servers, which PostgreSQL does not let root be, and what is done as that account. */
import {execFile, execFileSync} from 'node:child_process';
import {chmodSync, chownSync, existsSync, mkdtempSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const unprivileged = (['postgres', 'nobody'] as const)
	.map(name => ({name, uid: idOf(name, '-u'), gid: idOf(name, '-g')}))
	.find(user => user.uid !== undefined);

function idOf(name: string, flag: '-u' | '-g'): number | undefined {
	try {
		return Number(execFileSync('id', [flag, name], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}));
	} catch {
		return undefined; // no such user here
	}
}

/** Returns the command as the server's user, which is killed with this process, even by kill -9. */
export function asServerUser(program: string, args: readonly string[], deathSignal?: string): [string, string[]] {
	const setpriv: string[] = [];
	if (process.getuid?.() === 0) {
		const {uid, gid} = unprivileged ?? {};
		setpriv.push(`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups');
	}
	if (deathSignal !== undefined && existsSync('/usr/bin/setpriv')) setpriv.push('--pdeathsig', deathSignal);
	return setpriv.length === 0 ? [program, [...args]] : ['setpriv', [...setpriv, '--', program, ...args]];
}

export const serverEnvironment = {PATH: process.env['PATH'], HOME: tmpdir(), LC_ALL: 'C', TZ: 'UTC'};

/** Returns the output of `program`, run as the server's user. Rejects with its error output. */
export function runAsServerUser(program: string, args: readonly string[]): Promise<string> {
	const [command, all] = asServerUser(program, args);
	return new Promise((resolve, reject) => {
		execFile(command, all, {env: serverEnvironment, cwd: '/'}, (error, stdout, stderr) => {
			if (error) reject(new Error(`${program} ${args.join(' ')}: ${stderr || error.message}`));
			else resolve(stdout);
		});
	});
}

/** Creates a directory of the server's user; the caller removes it. */
export function serverDirectory(name: string): string {
	const directory = mkdtempSync(join(tmpdir(), `pgb-${name}-`));
	if (process.getuid?.() === 0 && unprivileged) chownSync(directory, unprivileged.uid!, unprivileged.gid!);
	chmodSync(directory, 0o755);
	return directory;
}
