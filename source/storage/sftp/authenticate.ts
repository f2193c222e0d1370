/**
 * The login methods: in the order of pg_back 2.6 (password, identity, agent), and keyboard-interactive with the
 * password.
 */
import ssh2, {type AnyAuthMethod, type AuthHandlerMiddleware, type ParsedKey} from 'ssh2';
import {describeSystemError, isSystemError, messageOf, PgBackError} from '../../core/errors.js';
import {readGivenFile} from '../../lib/given-file.js';
import type {ResolvedHop} from './settings.js';

const {createAgent, utils} = ssh2;

export type Log = (level: 'debug' | 'info' | 'warn', text: string) => void;

/**
 * `afterKey`: the password of a user who has a key; it is sent only when the server accepted the key and asks for more.
 */
export type Candidate = {
	readonly method: AnyAuthMethod;
	readonly afterKey?: 'always' | 'where keys are accepted';
};

/**
 * Returns the login methods. Throws PgBackError CONFIG when the identity that the user named cannot be used, or when
 * there is no method at all.
 */
export async function authenticationMethods(
	hop: ResolvedHop,
	{log, signal}: {readonly log: Log; readonly signal: AbortSignal},
): Promise<readonly Candidate[]> {
	const {user: username, password, identity} = hop;
	const candidates: Candidate[] = [];
	const own = identity === undefined ? undefined : await readIdentity(identity, hop.passphrase, signal);
	if (own) candidates.push({method: {type: 'publickey', username, key: own.key}});
	else if (password !== '') candidates.push({method: {type: 'password', username, password}});
	const agent = await reachableAgent(hop.agent, log);
	if (agent !== undefined) candidates.push({method: {type: 'agent', username, agent}});
	if (own === undefined) {
		for (const file of hop.identities) {
			const key = await readIfUsable(file, hop.passphrase, {log, signal});
			if (key) candidates.push({method: {type: 'publickey', username, key}});
		}
	}
	if (password !== '') {
		// With an encrypted key the password is first of all its passphrase: it is not sent to a server that has not
		// accepted the key.
		const afterKey = own && (own.isEncrypted ? 'always' : 'where keys are accepted');
		if (own) candidates.push({method: {type: 'password', username, password}, afterKey});
		candidates.push({method: keyboardInteractive(username, password), ...(afterKey && {afterKey})});
	}
	if (candidates.length === 0) {
		throw new PgBackError('CONFIG', `cannot log in as ${username} on ${hop.host}: no password, key or agent`, {
			hint: 'set sftp_identity, PGBK_SSH_PASS or SSH_AUTH_SOCK, or create a key in ~/.ssh',
		});
	}
	return candidates;
}

export type Authentication = {
	/** For ssh2's `authHandler`. */
	readonly next: AuthHandlerMiddleware;
	/** Returns what the server accepted, and what else it wants; undefined when it accepted nothing. */
	readonly partial: () => {readonly accepted: readonly string[]; readonly wanted: readonly string[]} | undefined;
};

/**
 * Offers the candidates that the server would accept, in order. After a partial success (`AuthenticationMethods
 * publickey,password`) the server lists what else it wants, and all other candidates are tried again.
 */
export function createAuthentication(username: string, candidates: readonly Candidate[]): Authentication {
	const accepted: Candidate[] = [];
	let tried = new Set<Candidate>();
	let offered: readonly string[] | undefined;
	let last: Candidate | undefined;
	let begun = false;
	const types = () => accepted.map(({method}) => typeOf(method));
	const isAccepted = (candidate: Candidate, left: readonly string[] | undefined, partial: boolean | null): boolean => {
		if (candidate.method.type === 'agent') return false; // ssh2 does not report the agent's responses
		if (partial) return true;
		// ssh2 offers an RSA key again with another signature before it reports the success.
		const isRsa = candidate.method.type === 'publickey' && (candidate.method.key as ParsedKey).type === 'ssh-rsa';
		return isRsa && offered?.includes('publickey') === true && left?.includes('publickey') === false;
	};
	const next: AuthHandlerMiddleware = (answer: readonly string[] | null, partial: boolean | null, offer) => {
		if (!begun) {
			begun = true;
			offer({type: 'none', username}); // the response lists the possible methods
			return;
		}
		const left = answer && answer.length > 0 ? answer : undefined;
		if (last && isAccepted(last, left, partial)) {
			accepted.push(last);
			tried = new Set();
		}
		offered = left;
		const known = last?.method.type === 'agent' ? undefined : left;
		const isPossible = (one: Candidate): boolean => {
			if (tried.has(one) || accepted.includes(one) || known?.includes(typeOf(one.method)) === false) return false;
			if (one.afterKey === undefined || types().includes('publickey')) return true;
			return one.afterKey !== 'always' && known !== undefined && !known.includes('publickey');
		};
		last = candidates.find(isPossible);
		if (last) tried.add(last);
		offer(last ? last.method : (false as never)); // false: there is no method left
	};
	return {
		next,
		partial: () => (accepted.length === 0 ? undefined : {accepted: types(), wanted: offered ?? []}),
	};
}

function typeOf({type}: AnyAuthMethod): string {
	return type === 'agent' ? 'publickey' : type;
}

/** Answers every prompt that hides the input; one that shows it does not ask for a password. */
function keyboardInteractive(username: string, password: string): AnyAuthMethod {
	return {
		type: 'keyboard-interactive',
		username,
		prompt: (...[, , , prompts, finish]) => finish(prompts.map(prompt => (prompt.echo ? '' : password))),
	};
}

async function readIdentity(
	file: string,
	passphrase: string,
	signal: AbortSignal,
): Promise<{readonly key: ParsedKey; readonly isEncrypted: boolean}> {
	let text: Buffer;
	try {
		text = await readGivenFile(file, {signal});
	} catch (error) {
		signal.throwIfAborted();
		const reason = isSystemError(error) ? describeSystemError(error) : messageOf(error);
		throw new PgBackError('CONFIG', `could not read the ssh identity: ${reason}`, {
			cause: error,
			hint: 'check sftp_identity',
		});
	}
	const key = parsePrivateKey(text, passphrase);
	if (key instanceof Error) {
		const encrypted = /encrypted|passphrase|decrypt|integrity|bad.*pass/i.test(key.message);
		throw new PgBackError('CONFIG', `could not use the ssh identity ${file}: ${key.message.toLowerCase()}`, {
			hint: encrypted ? 'set its passphrase in PGBK_SSH_PASS' : 'use a private key in OpenSSH or PEM format',
		});
	}
	return {key, isEncrypted: parsePrivateKey(text, '') instanceof Error};
}

/** Reads a key that the user did not name; skipped when it does not exist, or has another passphrase. */
async function readIfUsable(
	file: string,
	passphrase: string,
	{log, signal}: {readonly log: Log; readonly signal: AbortSignal},
): Promise<ParsedKey | undefined> {
	let text: Buffer;
	try {
		text = await readGivenFile(file, {signal});
	} catch (error) {
		signal.throwIfAborted();
		if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log('debug', `sftp: skipping ${file}: ${messageOf(error)}`);
		return undefined;
	}
	const key = parsePrivateKey(text, passphrase);
	if (!(key instanceof Error)) return key;
	log('debug', `sftp: skipping ${file}: ${key.message}`);
	return undefined;
}

function parsePrivateKey(text: Buffer, passphrase: string): ParsedKey | Error {
	// ssh2 returns an array for files with several keys.
	const parsed: ParsedKey | Error | readonly ParsedKey[] = utils.parseKey(
		text,
		passphrase === '' ? undefined : passphrase,
	);
	const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey) : parsed;
	if (key instanceof Error) return key;
	return key.isPrivateKey() ? key : new Error('it is not a private key');
}

/** Checks that the agent responds, because ssh2 ends the connection when the agent fails. */
function reachableAgent(path: string | undefined, log: Log): Promise<string | undefined> {
	if (path === undefined) return Promise.resolve(undefined);
	return new Promise(resolve => {
		createAgent(path).getIdentities((error, keys) => {
			if (error) log('debug', `sftp: skipping the ssh agent: ${messageOf(error)}`);
			resolve(error || !keys || keys.length === 0 ? undefined : path);
		});
	});
}
