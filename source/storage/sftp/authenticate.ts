/** How we prove who we are: in the order of pg_back 2.6 (password, identity, agent), and keyboard-interactive with the password. */
import {readFile} from 'node:fs/promises';
import ssh2, {type AnyAuthMethod, type ParsedKey} from 'ssh2';
import {describeSystemError, isSystemError, messageOf, PgBackError} from '../../core/errors.js';
import type {ResolvedSftp} from './settings.js';

const {createAgent, utils} = ssh2;

export type Log = (level: 'debug' | 'info' | 'warn', text: string) => void;

/** Throws PgBackError CONFIG when the identity that the user named cannot be used. */
export async function authenticationMethods(settings: ResolvedSftp, log: Log): Promise<AnyAuthMethod[]> {
	const {user: username, password, identity} = settings;
	const methods: AnyAuthMethod[] = [];
	if (identity !== undefined) methods.push({type: 'publickey', username, key: await readIdentity(identity, password)});
	else if (password !== '') methods.push({type: 'password', username, password});
	const agent = await reachableAgent(settings.agent, log);
	if (agent !== undefined) methods.push({type: 'agent', username, agent});
	if (identity === undefined) {
		for (const file of settings.identities) {
			const key = await readIfUsable(file, password, log);
			if (key) methods.push({type: 'publickey', username, key});
		}
		if (password !== '') methods.push(keyboardInteractive(username, password));
	}
	if (methods.length === 0) {
		throw new PgBackError(
			'CONFIG',
			`there is no way to log in as ${username} on ${settings.host}: no password, key or agent`,
			{
				hint: 'set sftp_identity, PGBK_SSH_PASS or SSH_AUTH_SOCK, or make a key in ~/.ssh',
			},
		);
	}
	return methods;
}

/** Answers every prompt that hides what is typed; one that shows it is not asking for a password. */
function keyboardInteractive(username: string, password: string): AnyAuthMethod {
	return {
		type: 'keyboard-interactive',
		username,
		prompt: (_name, _instructions, _language, prompts, finish) =>
			finish(prompts.map(prompt => (prompt.echo ? '' : password))),
	};
}

async function readIdentity(file: string, passphrase: string): Promise<ParsedKey> {
	let text: Buffer;
	try {
		text = await readFile(file);
	} catch (error) {
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
			hint: encrypted
				? 'give its passphrase with PGBK_SSH_PASS'
				: 'name the private key, in the format of OpenSSH or PEM',
		});
	}
	return key;
}

/** A key nobody named: left out when it is not there, or locked with another passphrase. */
async function readIfUsable(file: string, passphrase: string, log: Log): Promise<ParsedKey | undefined> {
	let text: Buffer;
	try {
		text = await readFile(file);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
			log('debug', `sftp: leaving out ${file}: ${messageOf(error)}`);
		return undefined;
	}
	const key = parsePrivateKey(text, passphrase);
	if (!(key instanceof Error)) return key;
	log('debug', `sftp: leaving out ${file}: ${key.message}`);
	return undefined;
}

function parsePrivateKey(text: Buffer, passphrase: string): ParsedKey | Error {
	// ssh2 says an array for files of several keys.
	const parsed: ParsedKey | Error | readonly ParsedKey[] = utils.parseKey(
		text,
		passphrase === '' ? undefined : passphrase,
	);
	const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey) : parsed;
	if (key instanceof Error) return key;
	return key.isPrivateKey() ? key : new Error('it is not a private key');
}

/** ssh2 ends the connection when the agent fails: one that does not answer must not be tried. */
function reachableAgent(path: string | undefined, log: Log): Promise<string | undefined> {
	if (path === undefined) return Promise.resolve(undefined);
	return new Promise(resolve => {
		createAgent(path).getIdentities((error, keys) => {
			if (error) log('debug', `sftp: leaving out the ssh agent: ${messageOf(error)}`);
			resolve(error || !keys || keys.length === 0 ? undefined : path);
		});
	});
}
