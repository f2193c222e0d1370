/** Checks that need both command line and file. */
import {stat} from 'node:fs/promises';
import {display} from '../lib/display.js';
import {type StoreName, storeNamed, storeNames} from '../storage/definitions.js';
import {type Blame, createBlame} from './blame.js';
import {checkCipher} from './cipher-checks.js';
import {checkCommands} from './command-checks.js';
import {type CommandLine} from './command-line.js';
import {checkDumpOptions} from './dump-option-checks.js';
import {type Invocation, isGiven} from './invocation.js';
import {type OptionName, options, type Settings} from './options.js';
import {type Problem} from './origin.js';
import {checkPrefixes} from './prefix-checks.js';
import {checkSplit} from './split-checks.js';
import {checkLocalCopy, checkSpool} from './stream-checks.js';

export type Checked = {readonly problems: readonly Problem[]; readonly warnings: readonly string[]};

/** A problem with an option that only other modules can find. */
export type SettingProblem = {readonly option: OptionName; readonly text: string};

export async function checkConfiguration(
	invocation: Invocation,
	check: (settings: Settings) => Promise<readonly SettingProblem[]>,
): Promise<Checked> {
	const {merged, commandLine, env, terminal} = invocation;
	const blame = createBlame(merged);
	const commands = await checkCommands(merged.settings, env);
	const problems = [
		...checkModes(merged.settings, commandLine, terminal).map(text => ({on: 'command line' as const, text})),
		...checkCipher(invocation, blame),
		...checkStores(merged.settings, env, blame),
		...checkPrefixes(merged.settings, blame),
		...checkLocalCopy(merged, blame),
		...checkSpool(merged, blame),
		...checkSplit(merged, blame),
		...checkDumpOptions(merged, blame),
		...(['preBackupHook', 'postBackupHook', 'cipherPassCommand'] as const)
			.filter(name => merged.settings[name][0] === '')
			.map(name => blame(name, 'the name of the command is empty')),
		...commands.problems.map(({option, text}) => blame(option, text)),
		...(await checkDirectories(merged.settings, blame)),
		...(await check(merged.settings)).map(({option, text}) => blame(option, text)),
	];
	const warnings = [
		...secretWarnings(commandLine),
		...merged.warnings,
		...unusedPassphrase(merged.settings),
		...withoutEffect(merged.settings),
		...commands.warnings,
	];
	return {problems, warnings};
}

function checkModes(settings: Settings, commandLine: CommandLine, terminal: boolean): readonly string[] {
	const {values} = commandLine;
	const pairs = [
		['encrypt', 'decrypt'],
		['cipherPass', 'cipherPublicKey'],
		['cipherPass', 'cipherPrivateKey'],
		['pin', 'unpin'],
	] as const;
	const problems = pairs.filter(pair => pair.every(name => isGiven(values.get(name)))).map(pair => together(...pair));
	if (settings.purge !== 'none' && settings.purgeOlderThan < 0)
		problems.push('--purge needs a purge_older_than that is not negative: it would remove every dump');
	// An empty variable of a script must not start a backup.
	const commands = ['pin', 'unpin', 'findTable', 'diff', 'swapBack'] as const;
	for (const name of commands) if (values.get(name) === '') problems.push(`${flagOf(name)} needs a value`);
	problems.push(...checkCommandsTogether(settings, commandLine.arguments));
	if (settings.reason !== '' && settings.pin === '') problems.push('--reason needs --pin');
	if (settings.budget > 0 && settings.restoreDrill === 'none') problems.push('--budget needs --restore-drill');
	if (settings.stdout && !settings.decrypt) problems.push('--stdout needs --decrypt');
	problems.push(...checkFleetModes(settings, commandLine.arguments));
	problems.push(...checkShard(settings));
	if (
		settings.download !== 'none' &&
		settings.listRemote === 'none' &&
		commandLine.arguments.length === 0 &&
		!terminal
	) {
		problems.push("--download needs at least one file pattern, such as 'mydb_*'");
	}
	return problems;
}

function checkFleetModes(settings: Settings, words: readonly string[]): readonly string[] {
	const problems: string[] = [];
	if (settings.fleetMetrics !== '' && fleetStore(settings, words) === undefined)
		problems.push('--fleet-metrics needs the store to read, such as --fleet-metrics FILE s3');
	if (settings.fleetRebuild !== 'none' && settings.fleetPrefix === '')
		problems.push('--fleet-rebuild needs fleet_prefix');
	if ((settings.fleet !== 'none' || settings.fleetMetrics !== '') && settings.fleetPrefix === '')
		problems.push('the fleet cannot be read: set fleet_prefix to where the servers report');
	return problems;
}

/** Commands that do not apply to one shard of a run. */
const undivided = [
	...[
		'listRemote',
		'download',
		'verifyStore',
		'restoreDrill',
		'restore',
		'cleanupRemote',
		'fleet',
		'fleetRebuild',
		'purge',
	],
	...['decrypt', 'dryRun', 'resumeUploads', 'doctor', 'interactive', 'status'],
	...['swapBack', 'cleanupRestores', 'pin', 'unpin', 'findTable', 'diff', 'fleetMetrics', 'checkAge'],
] as const satisfies readonly OptionName[];

/** Commands that change something, and have no dry run. */
const withoutDryRun = [
	...['download', 'verifyStore', 'restoreDrill', 'decrypt', 'resumeUploads', 'cleanupRemote', 'fleetRebuild'],
	...['fleetMetrics', 'pin', 'unpin', 'swapBack', 'cleanupRestores'],
] as const satisfies readonly OptionName[];

/** A command that would be ignored, or executed in spite of --dry-run, is an error. */
function checkCommandsTogether(settings: Settings, words: readonly string[]): readonly string[] {
	const problems = settings.dryRun
		? withoutDryRun.filter(name => isAsked(settings, name)).map(name => together('dryRun', name))
		: [];
	for (const name of ['swapBack', 'cleanupRestores'] as const) {
		if (!isAsked(settings, name)) continue;
		const own = [name, 'swapBack', 'dryRun'];
		const others = undivided.filter(other => !own.includes(other) && isAsked(settings, other));
		problems.push(...others.map(other => together(name, other)));
		if (words.length > 0) problems.push(`${flagOf(name)} takes no names: ${words.map(display).join(', ')}`);
	}
	return problems;
}

function isAsked(settings: Settings, name: (typeof undivided)[number]): boolean {
	return !['', 'none', 'no', false, undefined].includes(settings[name] as '');
}

function checkShard(settings: Settings): readonly string[] {
	const {shard, runName, writePlan, fleetPrefix, upload, encryptKeepSource} = settings;
	if (shard === '') {
		const needed = [...(runName === '' ? [] : ['--run-name']), ...(writePlan ? ['--write-plan'] : [])];
		return needed.map(flag => `${flag} needs --shard`);
	}
	return [
		...undivided.filter(name => isAsked(settings, name)).map(name => together('shard', name)),
		...(fleetPrefix === '' ? ['--shard needs fleet_prefix: the processes of a run meet there'] : []),
		...(upload.length === 0 ? ['--shard needs upload: the processes of a run meet at the remote location'] : []),
		...(upload.length > 1
			? ['--shard needs one place in upload: the processes of a run meet there, and cannot upload to several']
			: []),
		...(encryptKeepSource
			? ['--shard cannot be used with encrypt_keep_source: a shard leaves no files on its machine']
			: []),
	];
}

function together(...names: readonly OptionName[]): string {
	return `options ${names.map(flagOf).join(' and ')} cannot be used together`;
}

function flagOf(name: OptionName): string {
	return `--${options[name].long ?? name}`;
}

/** Returns the store of `--fleet`, or of `--fleet-metrics FILE STORE`. */
export function fleetStore({fleet}: Settings, names: readonly string[]): StoreName | undefined {
	return fleet === 'none' ? storeNames.find(name => name === names[0]?.toLowerCase()) : fleet;
}

function checkStores(settings: Settings, env: Invocation['env'], blame: Blame): readonly Problem[] {
	const asked = (
		[
			'download',
			'listRemote',
			'cleanupRemote',
			'verifyStore',
			'restoreDrill',
			'restore',
			'fleet',
			'fleetRebuild',
			'purge',
		] as const
	).filter(name => settings[name] !== 'none' && settings[name] !== 'backup');
	const first = new Map<StoreName, OptionName>([
		...asked.toReversed().map(name => [settings[name] as StoreName, name] as const),
		...settings.upload.map(store => [store, 'upload'] as const),
	]);
	return [...first].flatMap(([store, name]) =>
		storeNamed(store)
			.problems(settings, env)
			.map(text => blame(name, `${store} ${text}`)),
	);
}

async function checkDirectories(settings: Settings, blame: Blame): Promise<readonly Problem[]> {
	if (settings.binDirectory === '') return [];
	const isDirectory = await stat(settings.binDirectory).then(
		stats => stats.isDirectory(),
		() => false,
	);
	return isDirectory ? [] : [blame('binDirectory', `${display(settings.binDirectory)} is not an existing directory`)];
}

/** When a file has both, the public key is used, as in 2.x. */
function unusedPassphrase({encrypt, decrypt, cipherPass, cipherPublicKey}: Settings): readonly string[] {
	if (!encrypt || decrypt || cipherPass === '' || cipherPublicKey.length === 0) return [];
	return ['cipher_pass is not used for encryption because cipher_public_key is set'];
}

function withoutEffect({b2ForcePath, fleetPrefix, upload, fleet, fleetMetrics}: Settings): readonly string[] {
	return [
		// pg_back 2 has never used it either.
		...(b2ForcePath ? ['b2_force_path has no effect: the B2 API has only one form of address'] : []),
		...(fleetPrefix !== '' && upload.length === 0 && fleet === 'none' && fleetMetrics === ''
			? ['nothing is reported below fleet_prefix: runs are reported to the location that upload names']
			: []),
	];
}

/** Every user of the host can read command lines. */
function secretWarnings({values}: CommandLine): readonly string[] {
	return [...values].flatMap(([name, value]) => {
		const {secret, key} = options[name];
		if (secret !== true || !isGiven(value)) return [];
		return [
			`${flagOf(name)} on the command line is visible to other users of this machine: use ${key ?? 'a file'} in the configuration file`,
		];
	});
}
