import {PgBackError} from '../../core/errors.js';

/** A host named by the user or by `ProxyJump`; user and port override the configuration of that host. */
export type JumpSpec = {readonly host: string; readonly port?: number | undefined; readonly user?: string | undefined};

/**
 * Parses a `ProxyJump` (`[user@]host[:port]` or `ssh://…`, several with commas) into hosts, in the order of connection.
 */
export function parseProxyJump(value: string | undefined, expand: (text: string) => string): readonly JumpSpec[] {
	const text = value?.replace(/\s+#.*$/, '').replace(/^"(.*)"$/, '$1');
	if (text === undefined || text.toLowerCase() === 'none') return [];
	return text.split(',').map(one => parseJump(expand(one.trim()), text));
}

function parseJump(text: string, whole: string): JumpSpec {
	const [, user, host, port] = /^(?:ssh:\/\/)?(?:(.+)@)?(\[[^\]\s]+\]|[^:@\s/]+)(?::(\d{1,5}))?\/?$/i.exec(text) ?? [];
	const bare = host?.replace(/^\[(.*)\]$/, '$1');
	const number = port === undefined ? undefined : Number(port);
	if (bare === undefined || bare.startsWith('-') || (number !== undefined && (number < 1 || number > 65_535))) {
		throw new PgBackError('CONFIG', `could not use the ssh configuration: invalid ProxyJump ${JSON.stringify(whole)}`, {
			hint: 'write [user@]host[:port], separated by commas',
		});
	}
	return {host: bare, ...(number !== undefined && {port: number}), ...(user !== undefined && {user})};
}
