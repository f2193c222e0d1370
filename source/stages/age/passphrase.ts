import {PgBackError} from '../../core/errors.js';
import {captureChild} from '../../process/child.js';
import {readKeyFile} from './key-file.js';
import {checkPassphrase} from './recipients.js';

/** At most one of the first three. */
export type PassphraseMaterial = {
	readonly passphrase?: string;
	/** A path: the first line, without its newline, is the passphrase. */
	readonly passphraseFile?: string;
	/** Words, run without a shell: the first line that it prints is the passphrase. */
	readonly passphraseCommand?: readonly string[];
	/** PGBK_CIPHER_PASS. */
	readonly environmentPassphrase?: string;
};

export type KeyContext = {
	readonly signal: AbortSignal;
	/** The whole environment of the passphrase command. */
	readonly env: Readonly<Record<string, string | undefined>>;
	/** For loose permissions of files; one line. */
	readonly onWarning: (text: string) => void;
	/** Asks the person at the terminal; without it a missing secret is an error. */
	readonly askPassphrase?: (label: string) => Promise<string>;
};

/** The passphrase that was configured, in whatever way; undefined when none was. Throws CONFIG, also when it is empty. */
export async function readPassphrase(material: PassphraseMaterial, context: KeyContext): Promise<Buffer | undefined> {
	const {passphrase, passphraseFile, passphraseCommand} = material;
	const given = [passphrase, passphraseFile, passphraseCommand].filter(one => one !== undefined);
	if (given.length > 1) {
		throw new PgBackError('CONFIG', 'the passphrase is given in more than one way', {
			hint: 'use one of cipher_pass, cipher_pass_file and cipher_pass_command',
		});
	}
	if (passphrase !== undefined) return checkPassphrase(passphrase, 'cipher_pass');
	if (passphraseFile !== undefined) {
		return checkPassphrase(firstLine(await readKeyFile(passphraseFile, context.onWarning)), passphraseFile);
	}
	if (passphraseCommand === undefined) return undefined;
	return checkPassphrase(await runCommand(passphraseCommand, context), 'cipher_pass_command');
}

async function runCommand(words: readonly string[], {env, signal}: KeyContext): Promise<Buffer> {
	const [command, ...args] = words;
	if (!command) throw new PgBackError('CONFIG', 'cipher_pass_command: no command in it');
	try {
		return firstLine(
			Buffer.from(
				await captureChild({command, args, env, signal, foreground: true}, `cipher_pass_command: ${command}`),
			),
		);
	} catch (error) {
		if (!(error instanceof PgBackError) || error.code === 'CANCELLED') throw error;
		throw new PgBackError('CONFIG', error.message, {cause: error, hint: error.hint, output: error.output});
	}
}

function firstLine(bytes: Buffer): Buffer {
	const end = bytes.indexOf(0x0a);
	const line = end < 0 ? bytes : bytes.subarray(0, end);
	return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}
