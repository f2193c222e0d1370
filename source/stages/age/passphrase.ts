import {PgBackError} from '../../core/errors.js';
import type {Environment} from '../../lib/environment.js';
import {captureChild} from '../../process/child.js';
import {timeLimit} from '../../process/time-limit.js';
import {readEncryptionFile} from './key-file.js';

/** At most one of the first three. */
export type PassphraseMaterial = {
	readonly passphrase?: string;
	/** A path: the first line, without its newline, is the passphrase. */
	readonly passphraseFile?: string;
	/** Words, run without a shell: the first line of its output is the passphrase. */
	readonly passphraseCommand?: readonly string[];
	/** PGBK_CIPHER_PASS. */
	readonly environmentPassphrase?: string;
};

export type KeyContext = {
	readonly signal: AbortSignal;
	/** The complete environment of the passphrase command. */
	readonly env: Environment;
	/** Called with one line when a file's permissions are too open. */
	readonly onWarning: (text: string) => void;
	/** Seconds after which the passphrase command is killed; 0 or absent: never. */
	readonly commandTimeout?: number;
	/** Asks the user at the terminal; without it a missing secret is an error. */
	readonly askPassphrase?: (label: string) => Promise<string>;
};

/**
 * Returns the configured passphrase, from any source; undefined when none is configured. Throws CONFIG, also when it is
 * empty.
 */
export async function readPassphrase(material: PassphraseMaterial, context: KeyContext): Promise<Buffer | undefined> {
	const {passphrase, passphraseFile, passphraseCommand} = material;
	const given = [passphrase, passphraseFile, passphraseCommand].filter(one => one !== undefined);
	if (given.length > 1) {
		throw new PgBackError('CONFIG', 'the passphrase is set in more than one way', {
			hint: 'use one of cipher_pass, cipher_pass_file and cipher_pass_command',
		});
	}
	if (passphrase !== undefined) return checkPassphrase(passphrase, 'cipher_pass');
	if (passphraseFile !== undefined) {
		const bytes = await readEncryptionFile(passphraseFile, context, {isSecret: true});
		return checkPassphrase(firstLine(bytes), passphraseFile);
	}
	if (passphraseCommand === undefined) return undefined;
	return checkPassphrase(await runCommand(passphraseCommand, context), 'cipher_pass_command');
}

/** Returns the bytes of a passphrase. Throws CONFIG when it is empty, or when its bytes were lost in decoding. */
export function checkPassphrase(passphrase: string | Buffer, source: string): Buffer {
	// Every invalid byte becomes the same character: another passphrase than the user's, which fewer characters protect.
	if (typeof passphrase === 'string' && passphrase.includes('\uFFFD')) {
		throw new PgBackError('CONFIG', `${source}: the passphrase is not valid UTF-8`, {
			hint: 'put it in a file and set cipher_pass_file: its bytes are used as they are',
		});
	}
	const bytes = Buffer.from(passphrase);
	if (bytes.length === 0) throw new PgBackError('CONFIG', `${source}: the passphrase must not be empty`);
	return bytes;
}

async function runCommand(
	words: readonly string[],
	{env, signal, commandTimeout, askPassphrase}: KeyContext,
): Promise<Buffer> {
	const [command, ...args] = words;
	if (!command) throw new PgBackError('CONFIG', 'cipher_pass_command: the command is empty');
	const limit = timeLimit(
		commandTimeout,
		() => new PgBackError('CONFIG', `cipher_pass_command: ${command} took longer than ${commandTimeout ?? 0} s`),
	);
	try {
		return firstLine(
			Buffer.from(
				// The command may only prompt at the terminal if there is a user; otherwise its whole session is killed when it
				// exits.
				await captureChild(
					{
						command,
						args,
						env,
						signal: AbortSignal.any([signal, limit.signal]),
						foreground: askPassphrase !== undefined,
					},
					`cipher_pass_command: ${command}`,
				),
			),
		);
	} catch (error) {
		if (!(error instanceof PgBackError) || error.code === 'CANCELLED') throw error;
		throw new PgBackError('CONFIG', error.message, {cause: error, hint: error.hint, output: error.output});
	} finally {
		limit.end();
	}
}

function firstLine(bytes: Buffer): Buffer {
	const end = bytes.indexOf(0x0a);
	const line = end < 0 ? bytes : bytes.subarray(0, end);
	return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}
