/** Which host keys are trusted: known_hosts (strict), a fingerprint, or, with a warning, any. */
import {isSystemError, messageOf, PgBackError} from '../../core/errors.js';
import {readGivenFile} from '../../lib/given-file.js';
import {
	fingerprint,
	judgeKey,
	judgeName,
	keyType,
	type KnownHost,
	knownHostName,
	type KnownHosts,
	matchesHost,
	parseKnownHosts,
	type Verdict,
} from './known-hosts.js';

export type HostKeyPolicy =
	| {readonly kind: 'strict'; readonly files: readonly string[]}
	/** One or more `SHA256:…`, any of which is accepted. */
	| {readonly kind: 'fingerprint'; readonly fingerprints: readonly string[]}
	| {readonly kind: 'ignore'};

export type HostKeyCheck = {
	/** For ssh2's `algorithms.serverHostKey`: types that are known for this host come first, so that its other keys do not look changed. */
	readonly algorithms: string[];
	/** Returns undefined when the key is trusted, else the error. */
	readonly check: (key: Buffer) => PgBackError | undefined;
};

/** The algorithms of ssh2, in OpenSSH's order of preference; DSA keys are never accepted. */
const algorithmsOf = new Map<string, readonly string[]>([
	['ssh-ed25519', ['ssh-ed25519']],
	['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
	['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
	['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
	['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256']],
]);
/** Key types in the order in which they are requested. */
export const hostKeyTypes: readonly string[] = [...algorithmsOf.keys()];

/** `exclude`: key types that were offered already and do not match the fingerprint. */
export function hostKeyAlgorithms(known: ReadonlySet<string>, exclude: ReadonlySet<string> = new Set()): string[] {
	const wanted = hostKeyTypes.filter(type => !exclude.has(type));
	return wanted
		.toSorted((a, b) => Number(known.has(b)) - Number(known.has(a)))
		.flatMap(type => algorithmsOf.get(type) ?? []);
}

/** The name for looking up a host, without the port when it is an alias. */
export type HostIdentity = {readonly host: string; readonly port: number; readonly alias?: string};

/**
 * Reads what the policy needs, and returns the check for one connection. A file that exists but cannot be read is an
 * error, because it might revoke the key.
 */
export async function prepareHostKeyCheck(
	policy: HostKeyPolicy,
	identity: HostIdentity,
	{signal, exclude = new Set()}: {readonly signal: AbortSignal; readonly exclude?: ReadonlySet<string>},
): Promise<HostKeyCheck> {
	if (policy.kind === 'ignore') return {algorithms: hostKeyAlgorithms(new Set(), exclude), check: () => undefined};
	if (policy.kind === 'fingerprint') {
		return {
			algorithms: hostKeyAlgorithms(new Set(), exclude),
			check: key =>
				policy.fingerprints.includes(fingerprint(key))
					? undefined
					: wrongFingerprint(identity, key, policy.fingerprints),
		};
	}
	const known = await readKnownHosts(policy.files, signal);
	const judge = (key: Buffer): Verdict =>
		identity.alias === undefined
			? judgeKey(known.entries, identity.host, identity.port, key)
			: judgeName(known.entries, identity.alias, key);
	return {
		algorithms: hostKeyAlgorithms(knownTypes(known.entries, identity), exclude),
		check: key => explain(judge(key), key, identity, {files: policy.files, malformed: known.malformed}),
	};
}

/** Returns the entries of every file that exists. */
export async function readKnownHosts(files: readonly string[], signal: AbortSignal): Promise<KnownHosts> {
	const read = await Promise.all(files.map(async file => readOne(file, signal)));
	return {entries: read.flatMap(one => one.entries), malformed: read.flatMap(one => one.malformed)};
}

async function readOne(file: string, signal: AbortSignal): Promise<KnownHosts> {
	try {
		return parseKnownHosts((await readGivenFile(file, {signal})).toString(), file);
	} catch (error) {
		signal.throwIfAborted();
		if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
			return {entries: [], malformed: []};
		const reason = isSystemError(error)
			? error.code === 'EACCES'
				? 'permission denied'
				: error.code
			: messageOf(error);
		throw new PgBackError('STORAGE', `sftp: could not read the known hosts in ${file}: ${reason}`, {
			cause: error,
			hint: 'make the file readable, or remove it from UserKnownHostsFile',
		});
	}
}

/** As in OpenSSH, only entries with the full name count here, not those without the port. */
function knownTypes(entries: readonly KnownHost[], {host, port, alias}: HostIdentity): Set<string> {
	const name = alias ?? knownHostName(host, port);
	return new Set(
		entries.filter(entry => entry.marker === 'none' && matchesHost(entry.hosts, name)).map(entry => entry.type),
	);
}

function explain(
	verdict: Verdict,
	key: Buffer,
	identity: HostIdentity,
	{files, malformed}: {readonly files: readonly string[]; readonly malformed: readonly string[]},
): PgBackError | undefined {
	if (verdict.is === 'known') return undefined;
	const name = identity.alias ?? knownHostName(identity.host, identity.port);
	const offered = `${keyType(key) ?? 'unknown type'} ${fingerprint(key)}`;
	if (verdict.is === 'unknown') {
		const broken = malformed.length > 0 ? ` (malformed: ${malformed.slice(0, 3).join(', ')})` : '';
		return new PgBackError('STORAGE', `sftp: the host key of ${name} is unknown: it offers ${offered}${broken}`, {
			hint: `check the fingerprint with the host's administrator, then add the key to ${files[0] ?? 'known_hosts'} or set sftp_host_key_fingerprint`,
		});
	}
	const {entry} = verdict;
	const place = `${entry.file}:${entry.line}`;
	if (verdict.is === 'revoked') {
		return new PgBackError('STORAGE', `sftp: the host key of ${name} is revoked by ${place}: ${offered}`, {
			hint: 'do not connect: the key is known to be compromised',
		});
	}
	return new PgBackError(
		'STORAGE',
		`sftp: the host key of ${name} has changed: it offers ${offered}, ${place} expects ${entry.type} ${fingerprint(entry.key)}`,
		{
			hint: `someone may be intercepting the connection; if the change is legitimate, remove the old key with: ssh-keygen -R '${name}'`,
		},
	);
}

function wrongFingerprint(identity: HostIdentity, key: Buffer, expected: readonly string[]): PgBackError {
	return new PgBackError(
		'STORAGE',
		`sftp: the host key of ${knownHostName(identity.host, identity.port)} is ${keyType(key) ?? ''} ${fingerprint(key)}, not ${expected.join(' or ')}`,
		{
			hint: 'check sftp_host_key_fingerprint with the administrator of the host; print it there with: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
		},
	);
}

/** Parses `SHA256:…` with or without the prefix or padding, several separated by commas or spaces. */
export function parseFingerprints(text: string): string[] {
	return text
		.split(/[\s,]+/)
		.filter(Boolean)
		.map(one => {
			const bare = one.replace(/^sha256:/i, '').replace(/=+$/, '');
			if (!/^[A-Za-z0-9+/]{43}$/.test(bare)) {
				throw new PgBackError('STORAGE', `sftp: not a SHA256 fingerprint: ${one}`, {
					hint: 'write it as ssh-keygen -lf prints it: SHA256: and 43 characters',
				});
			}
			return `SHA256:${bare}`;
		});
}
