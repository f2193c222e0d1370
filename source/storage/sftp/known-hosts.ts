/** Parses known_hosts files as OpenSSH does (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; hostfile.c). */
import {createHash, createHmac} from 'node:crypto';

export type KnownHost = {
	/** The first field: patterns separated by commas, or one hashed name. */
	readonly hosts: string;
	/** `authority`: for certificates only; `revoked`: rejected wherever its pattern matches. */
	readonly marker: 'none' | 'authority' | 'revoked';
	/** The type in the key itself, such as `ssh-ed25519`. */
	readonly type: string;
	/** The public key in wire format. */
	readonly key: Buffer;
	/** Counted from 1. */
	readonly line: number;
	readonly file: string;
};

export type KnownHosts = {
	readonly entries: readonly KnownHost[];
	/** Lines that could not be parsed, as `file:line`: ignored, as in OpenSSH. */
	readonly malformed: readonly string[];
};

/** Parses one file's text. `file` is only used to name the position of an entry. */
export function parseKnownHosts(text: string, file: string): KnownHosts {
	const entries: KnownHost[] = [];
	const malformed: string[] = [];
	for (const [index, raw] of text.split('\n').entries()) {
		const line = raw.replace(/^[ \t]+/, '');
		if (line === '' || line === '\r' || line.startsWith('#')) continue;
		const entry = parseLine(line);
		if (entry) entries.push({...entry, line: index + 1, file});
		else malformed.push(`${file}:${index + 1}`);
	}
	return {entries, malformed};
}

function parseLine(line: string): Omit<KnownHost, 'line' | 'file'> | undefined {
	const marked = /^@(\S*)[ \t]+(.*)$/s.exec(line);
	const marker = marked ? markers.get(marked[1] ?? '') : 'none';
	const [, hosts, name, base64] = /^(\S+)[ \t]+(\S+)[ \t]+([^ \t]+)/.exec(marked ? (marked[2] ?? '') : line) ?? [];
	if (!marker || hosts === undefined || name === undefined || base64 === undefined || hosts.startsWith('@'))
		return undefined;
	if (hosts.startsWith('|') && !hashedName.test(hosts)) return undefined;
	const key = decodeBase64(base64);
	const type = key && keyType(key);
	if (!key || !type || !namesType(name, type)) return undefined;
	return {hosts, marker, type, key};
}

const markers = new Map<string, KnownHost['marker']>([
	['cert-authority', 'authority'],
	['revoked', 'revoked'],
]);

/** `|1|salt|hash`, both 20 bytes in base64. */
const hashedName = /^\|1\|([A-Za-z0-9+/]{27}=)\|([A-Za-z0-9+/]{27}=)$/;

function decodeBase64(text: string): Buffer | undefined {
	const trimmed = text.trimEnd();
	return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(trimmed)
		? Buffer.from(trimmed, 'base64')
		: undefined;
}

/** Returns the type inside a public key in wire format; undefined when its fields do not fill it exactly. */
export function keyType(key: Buffer): string | undefined {
	const fields: Buffer[] = [];
	for (let at = 0; at < key.length;) {
		if (at + 4 > key.length) return undefined;
		const length = key.readUInt32BE(at);
		const end = at + 4 + length;
		if (end > key.length) return undefined;
		fields.push(key.subarray(at + 4, end));
		at = end;
	}
	const type = fields[0]?.toString('latin1') ?? '';
	return fields.length === fieldCounts.get(type) ? type : undefined;
}

const fieldCounts = new Map([
	['ssh-ed25519', 2],
	['ssh-rsa', 3],
	['ssh-dss', 5],
	['ecdsa-sha2-nistp256', 3],
	['ecdsa-sha2-nistp384', 3],
	['ecdsa-sha2-nistp521', 3],
	['sk-ssh-ed25519@openssh.com', 3],
	['sk-ecdsa-sha2-nistp256@openssh.com', 4],
]);

/** OpenSSH also accepts the names of RSA signatures for an RSA key. */
function namesType(name: string, type: string): boolean {
	return name === type || (type === 'ssh-rsa' && /^rsa-sha2-(?:256|512)$/.test(name));
}

/** Returns the name in known_hosts: the bare host for port 22, `[host]:port` for any other. */
export function knownHostName(host: string, port: number): string {
	const lower = host.toLowerCase();
	return port === 22 ? lower : `[${lower}]:${port}`;
}

/** Returns whether the first field of an entry matches this name (see `knownHostName`). */
export function matchesHost(hosts: string, name: string): boolean {
	const hashed = hashedName.exec(hosts);
	if (hashed) {
		const [, salt = '', digest] = hashed;
		return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === digest;
	}
	return matchesPatterns(hosts, name.toLowerCase());
}

/** One matching negated pattern rejects the whole list (match.c, match_pattern_list). */
export function matchesPatterns(list: string, name: string): boolean {
	let found = false;
	for (const item of list.toLowerCase().split(',')) {
		const negated = item.startsWith('!');
		if (!matchesPattern(negated ? item.slice(1) : item, name)) continue;
		if (negated) return false;
		found = true;
	}
	return found;
}

/** Matches `*` and `?`, without a regular expression, because a pattern could cause excessive backtracking. */
export function matchesPattern(pattern: string, name: string): boolean {
	let at = 0;
	let star = -1;
	let mark = 0;
	for (let index = 0; index < name.length;) {
		if (at < pattern.length && pattern[at] === '*') {
			star = at++;
			mark = index;
		} else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[index])) {
			at++;
			index++;
		} else if (star >= 0) {
			at = star + 1;
			index = ++mark;
		} else return false;
	}
	while (pattern[at] === '*') at++;
	return at === pattern.length;
}

/** Returns `SHA256:…`, as ssh-keygen -l prints it. */
export function fingerprint(key: Buffer): string {
	return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

export type Verdict =
	| {readonly is: 'known'; readonly entry: KnownHost}
	| {readonly is: 'unknown'}
	| {readonly is: 'changed' | 'revoked'; readonly entry: KnownHost};

/**
 * Looks up a host's key in the files (sshconnect.c, check_host_key): revoked wins over everything, then an equal key,
 * then any other key of that host, which means that the key has changed. A host with its own port that has no entry is
 * looked up again without the port, where only an equal key counts.
 */
export function judgeKey(entries: readonly KnownHost[], host: string, port: number, key: Buffer): Verdict {
	const verdict = judgeName(entries, knownHostName(host, port), key);
	if (verdict.is !== 'unknown' || port === 22) return verdict;
	const plain = judgeName(entries, knownHostName(host, 22), key);
	return plain.is === 'known' ? plain : verdict;
}

/** Does the same for one name as in the files; used directly for a HostKeyAlias, which has no port. */
export function judgeName(entries: readonly KnownHost[], name: string, key: Buffer): Verdict {
	let other: KnownHost | undefined;
	let equal: KnownHost | undefined;
	for (const entry of entries) {
		if (!matchesHost(entry.hosts, name)) continue;
		const same = entry.key.equals(key);
		if (entry.marker === 'revoked' && same) return {is: 'revoked', entry};
		if (entry.marker !== 'none') continue;
		if (same) equal ??= entry;
		else other ??= entry;
	}
	if (equal) return {is: 'known', entry: equal};
	return other ? {is: 'changed', entry: other} : {is: 'unknown'};
}
