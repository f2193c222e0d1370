/** What can only be judged when command line and file are together. */
import {stat} from 'node:fs/promises';
import {display} from '../lib/display.js';
import {type CommandLine} from './command-line.js';
import {alternatives, type Merged} from './merge.js';
import {options, type OptionName, type Settings, type Store} from './options.js';
import {describeOrigin, type Problem} from './origin.js';

export type Checked = {readonly problems: readonly Problem[]; readonly warnings: readonly string[]};

/** Something wrong with an option that only other parts of the program can tell. */
export type SettingProblem = {readonly option: OptionName; readonly text: string};

type Environment = Readonly<Record<string, string | undefined>>;

export async function checkConfiguration(
	merged: Merged,
	commandLine: CommandLine,
	env: Environment,
	terminal: boolean,
	check: (settings: Settings) => Promise<readonly SettingProblem[]>,
): Promise<Checked> {
	const blame = createBlame(merged);
	const problems = [
		...checkModes(merged.settings, commandLine, terminal).map(text => ({on: 'command line' as const, text})),
		...checkCipher(merged, commandLine, env, terminal, blame),
		...checkStores(merged.settings, env, blame),
		...(['preBackupHook', 'postBackupHook', 'cipherPassCommand'] as const)
			.filter(name => merged.settings[name][0] === '')
			.map(name => blame(name, 'the name of the command is empty')),
		...(await checkDirectories(merged.settings, blame)),
		...(await check(merged.settings)).map(({option, text}) => blame(option, text)),
	];
	const warnings = [
		...secretWarnings(commandLine),
		...unusedPassphrase(merged.settings),
		...withoutEffect(merged.settings),
	];
	return {problems, warnings};
}

/** Makes a problem that names the option as the person wrote it, and its place. */
type Blame = (name: OptionName, text: string) => Problem;

function createBlame(merged: Merged): Blame {
	return (name, text) => {
		const origin = merged.origin(name);
		const {long, key} = options[name];
		if (origin.kind === 'file') return {on: 'file', text: `${describeOrigin(origin)}: ${key ?? name}: ${text}`};
		return {
			on: origin.kind === 'command line' ? 'command line' : 'file',
			text: `${long === undefined ? name : `--${long}`}: ${text}`,
		};
	};
}

function checkModes(settings: Settings, commandLine: CommandLine, terminal: boolean): readonly string[] {
	const {values} = commandLine;
	const pairs = [
		['encrypt', 'decrypt'],
		['cipherPass', 'cipherPublicKey'],
		['cipherPass', 'cipherPrivateKey'],
	] as const;
	const problems = pairs
		.filter(pair => pair.every(name => isGiven(values.get(name))))
		.map(pair => `options ${pair.map(flagOf).join(' and ')} exclude each other`);
	if (settings.stdout && !settings.decrypt) problems.push('--stdout needs --decrypt');
	if (
		settings.download !== 'none' &&
		settings.listRemote === 'none' &&
		commandLine.arguments.length === 0 &&
		!terminal
	) {
		problems.push("--download needs at least one pattern of the files to fetch, such as 'mydb_*'");
	}
	return problems;
}

function isGiven(value: unknown): boolean {
	return value !== undefined && value !== false && value !== '' && !(Array.isArray(value) && value.length === 0);
}

function flagOf(name: OptionName): string {
	return `--${options[name].long ?? name}`;
}

function checkCipher(
	merged: Merged,
	commandLine: CommandLine,
	env: Environment,
	terminal: boolean,
	blame: Blame,
): readonly Problem[] {
	const {settings} = merged;
	const isSet = (name: OptionName) => isGiven(settings[name as keyof Settings]);
	const problems: Problem[] = [];
	const sources = alternatives[0]?.filter(name => isSet(name)) ?? [];
	if (sources.length > 1) {
		problems.push(
			blame(
				sources[1] ?? 'cipherPass',
				`only one of ${sources.map(name => options[name].key).join(', ')} may be given`,
			),
		);
	}
	const passGiven = ['cipherPass', 'cipherPassFile', 'cipherPassCommand'].some(name =>
		isGiven(commandLine.values.get(name as OptionName)),
	);
	const encrypts = settings.encrypt && !settings.decrypt;
	const recipients = isSet('cipherPublicKey') || isSet('cipherRecipientsFile');
	const recipientsGiven = commandLine.values.has('cipherPublicKey') || commandLine.values.has('cipherRecipientsFile');
	if (passGiven && recipients && !recipientsGiven && !settings.decrypt) {
		const name = isSet('cipherPublicKey') ? 'cipherPublicKey' : 'cipherRecipientsFile';
		const text = `a passphrase on the command line cannot be used beside ${options[name].key ?? ''} (${describeOrigin(merged.origin(name))})`;
		problems.push({on: 'command line', text});
	}
	const passphrase = sources.length > 0 || Boolean(env['PGBK_CIPHER_PASS']);
	if (encrypts && !recipients && !passphrase) {
		problems.push(
			blame(
				'encrypt',
				'needs cipher_public_key, cipher_recipients_file, or a passphrase (cipher_pass_file, PGBK_CIPHER_PASS)',
			),
		);
	}
	const identities = isSet('cipherPrivateKey') || isSet('cipherIdentityFile');
	if (settings.decrypt && !identities && !passphrase && !terminal) {
		problems.push(
			blame(
				'decrypt',
				'needs cipher_private_key, cipher_identity_file, or a passphrase (cipher_pass_file, PGBK_CIPHER_PASS)',
			),
		);
	}
	return problems;
}

function checkStores(settings: Settings, env: Environment, blame: Blame): readonly Problem[] {
	const asked = (['upload', 'download', 'listRemote', 'cleanupRemote', 'verifyStore', 'restoreDrill'] as const).filter(
		name => settings[name] !== 'none' && settings[name] !== 'here',
	);
	const first = new Map(asked.toReversed().map(name => [settings[name] as Store, name]));
	return [...first].flatMap(([store, name]) =>
		missingSettings(store, settings, env).map(text => blame(name, `${store} ${text}`)),
	);
}

/** What a store cannot work without. */
function missingSettings(store: Store, settings: Settings, env: Environment): readonly string[] {
	const missing: string[] = [];
	const need = (name: OptionName & keyof Settings, ...variables: readonly string[]) => {
		if (isGiven(settings[name]) || variables.some(variable => Boolean(env[variable]))) return;
		missing.push(`needs ${options[name].key ?? name}`);
	};
	switch (store) {
		case 's3':
			need('s3Bucket');
			if (isGiven(settings.s3KeyId) !== isGiven(settings.s3Secret))
				missing.push('needs both or none of s3_key_id and s3_secret');
			break;
		case 'b2':
			need('b2Bucket');
			need('b2KeyId', 'B2_APPLICATION_KEY_ID');
			need('b2AppKey', 'B2_APPLICATION_KEY');
			break;
		case 'sftp':
			need('sftpHost');
			if (settings.sftpPort !== '' && !isPort(settings.sftpPort))
				missing.push(`${display(settings.sftpPort)} in sftp_port is not a port`);
			break;
		case 'gcs':
			need('gcsBucket');
			break;
		case 'azure':
			need('azureContainer');
			if (isGiven(settings.azureConnectionString) || Boolean(env['AZURE_STORAGE_CONNECTION_STRING'])) break;
			if (settings.azureAccount === '' && !/^https?:\/\//i.test(settings.azureEndpoint)) {
				missing.push('needs azure_account, or a whole URL in azure_endpoint');
			}
			break;
		case 'local':
			need('localDirectory');
			break;
	}
	return missing;
}

function isPort(text: string): boolean {
	return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

async function checkDirectories(settings: Settings, blame: Blame): Promise<readonly Problem[]> {
	if (settings.binDirectory === '') return [];
	const isDirectory = await stat(settings.binDirectory).then(
		stats => stats.isDirectory(),
		() => false,
	);
	return isDirectory ? [] : [blame('binDirectory', `${display(settings.binDirectory)} is not an existing directory`)];
}

/** pg_back has always taken the public key where a file has both. */
function unusedPassphrase({encrypt, decrypt, cipherPass, cipherPublicKey}: Settings): readonly string[] {
	if (!encrypt || decrypt || cipherPass === '' || cipherPublicKey.length === 0) return [];
	return ['cipher_pass is not used for encryption, because there is cipher_public_key'];
}

/** pg_back 2 has never used it either. */
function withoutEffect({b2ForcePath}: Settings): readonly string[] {
	return b2ForcePath ? ['b2_force_path has no effect: the API of B2 has one form of address'] : [];
}

/** Whatever stands on a command line can be read by everybody on the machine. */
function secretWarnings({values}: CommandLine): readonly string[] {
	return [...values].flatMap(([name, value]) => {
		const {secret, key} = options[name];
		if (secret !== true || !isGiven(value)) return [];
		return [
			`${flagOf(name)} on the command line can be read by others on this machine: use ${key ?? 'a file'} in the configuration file`,
		];
	});
}
