/** Paths in ssh's configuration: `~`, `~user` and `%` tokens. */
import {readFile} from 'node:fs/promises';
import {hostname as localHostName, userInfo} from 'node:os';
import {normalize} from 'node:path';
import {PgBackError} from '../../core/errors.js';

/** The values of the tokens. */
export type TokenValues = {
	readonly host: string;
	/** The host as the user wrote it. */
	readonly asked: string;
	readonly port: number;
	readonly user: string;
	readonly home: string;
};

/** Replaces `%h` and similar tokens; unknown ones are kept. */
export function expandTokens(text: string, of: TokenValues): string {
	const values: Readonly<Record<string, string>> = {
		'%': '%',
		h: of.host,
		n: of.asked,
		p: String(of.port),
		r: of.user,
		d: of.home,
		u: localUser(),
		l: localHostName(),
	};
	return text.replaceAll(/%(.)/g, (all, letter: string) => values[letter] ?? all);
}

/** Expands `~`, `~/x` and `~user/x`; other paths are unchanged except for double slashes. */
export async function expandHome(path: string, home: string): Promise<string> {
	const [, user, rest = ''] = /^~([^/]*)(\/.*)?$/s.exec(path) ?? [];
	if (user === undefined) return normalize(path);
	return normalize((user === '' ? home : await homeOf(user)) + rest);
}

async function homeOf(user: string): Promise<string> {
	const passwd = await readFile('/etc/passwd', 'utf8');
	const entry = passwd.split('\n').find(line => line.startsWith(`${user}:`));
	const home = entry?.split(':')[5];
	if (!home)
		throw new PgBackError('CONFIG', `cannot expand ~${user}: no such user`, {
			hint: 'write the full path',
		});
	return home;
}

/** Returns the user name of this process. */
export function localUser(): string {
	try {
		return userInfo().username;
	} catch (error) {
		throw new PgBackError('CONFIG', 'cannot determine the name of the current user', {
			cause: error,
			hint: 'set sftp_user',
		});
	}
}
