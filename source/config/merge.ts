/** Merges command line over config file over defaults. Pure. */
import type {Environment} from '../lib/environment.js';
import {type CommandLine} from './command-line.js';
import {type ConfigFile} from './config-file.js';
import {readDumpOptions} from './dump-options.js';
import {type AnyValue, type DatabaseSettings, type OptionName, optionNames, options, type Settings} from './options.js';
import {type Origin, type Sourced} from './origin.js';

export type Merged = {
	readonly settings: Settings;
	readonly databases: ReadonlyMap<string, DatabaseSettings>;
	/** The settings of every database without a section. */
	readonly anyDatabase: DatabaseSettings;
	readonly origin: (option: OptionName) => Origin;
	/** One line each. */
	readonly warnings: readonly string[];
};

export type Layer = ReadonlyMap<OptionName, Sourced>;

export function merge(commandLine: CommandLine, file: ConfigFile | undefined, env: Environment): Merged {
	const given = commandLineLayer(commandLine);
	const fromFile = withoutAlternatives(file?.values ?? new Map<OptionName, Sourced>(), given);
	const global = new Map<OptionName, Sourced>(
		optionNames.map(name => [name, given.get(name) ?? fromFile.get(name) ?? defaultOf(name)]),
	);
	const included = global.get('includeDbs');
	if (included) global.set('includeDbs', {...included, value: [...new Set(included.value as readonly string[])]});
	applyEnvironment(global, env);
	const warnings = new Set<string>();
	const warn = (text: string) => warnings.add(text);
	const settings = withDumpOptions(global, warn);
	const databases = [...(file?.sections ?? [])].map(
		([database, section]) => [database, forSection(section, given, global, warn)] as const,
	);
	const anyDatabase = forSection(new Map(), given, global, warn);
	return {
		settings: plain(settings, name => options[name].perDatabase !== 'only') as Settings,
		databases: new Map(databases),
		anyDatabase,
		origin: name => (global.get(name) ?? defaultOf(name)).origin,
		warnings: [...warnings],
	};
}

function commandLineLayer({values, arguments: names}: CommandLine): Layer {
	const origin: Origin = {kind: 'command line'};
	const layer = new Map([...values].map(([name, value]) => [name, {value, origin}] as const));
	if (names.length > 0) layer.set('includeDbs', {value: names, origin});
	return layer;
}

function defaultOf(name: OptionName): Sourced {
	return {value: options[name].default, origin: {kind: 'default'}};
}

type Warn = (text: string) => void;

function forSection(section: Layer, given: Layer, global: Layer, warn: Warn): DatabaseSettings {
	const values = new Map(
		optionNames.map(name => {
			const own = options[name].overrides && given.has(name) ? given.get(name) : section.get(name);
			return [name, own ?? global.get(name) ?? defaultOf(name)] as const;
		}),
	);
	return plain(withDumpOptions(values, warn), name => options[name].perDatabase !== undefined) as DatabaseSettings;
}

/**
 * Moves a format and a compression in `pg_dump_options` to their own settings: pg_dump would obey them, as in pg_back 2,
 * and the name of the file and its checks must agree. Problems are reported by the checks.
 */
function withDumpOptions(values: Layer, warn: Warn): Layer {
	const given = values.get('pgDumpOptions');
	const read = readDumpOptions((given?.value ?? []) as readonly string[]).value;
	if (!given || !read) return values;
	const {words, format, compression} = read;
	const {origin} = given;
	const moved = new Map(values).set('pgDumpOptions', {value: words, origin});
	for (const [name, value] of [['format', format] as const, ['compressLevel', compression] as const]) {
		if (value === undefined) continue;
		moved.set(name, {value, origin});
		const key = options[name].key;
		warn(`pg_dump_options determines ${key}: ${key} = ${value} is used; set it there instead`);
	}
	return moved;
}

function plain(values: Layer, wanted: (name: OptionName) => boolean): Readonly<Record<string, AnyValue>> {
	return Object.fromEntries([...values].filter(([name]) => wanted(name)).map(([name, {value}]) => [name, value]));
}

/** The options that provide a passphrase, of which only one may be given. */
export const passphraseOptions = [
	'cipherPass',
	'cipherPassFile',
	'cipherPassCommand',
] as const satisfies readonly OptionName[];

/** Alternative options for the same thing: one on the command line overrides the others in the file. */
const alternatives: readonly (readonly OptionName[])[] = [
	passphraseOptions,
	['cipherPrivateKey', 'cipherIdentityFile'],
	['cipherPublicKey', 'cipherRecipientsFile'],
];

/** Returns the part of `fromFile` that still applies when `given` has alternatives for some options. */
export function withoutAlternatives(fromFile: Layer, given: Layer): Layer {
	const silenced = new Set(alternatives.filter(names => names.some(name => given.has(name))).flat());
	return new Map([...fromFile].filter(([name]) => !silenced.has(name)));
}

/**
 * Fills empty options from their environment variables. The passphrase only if nothing else provides the required key.
 */
function applyEnvironment(global: Map<OptionName, Sourced>, env: Environment): void {
	for (const name of optionNames) {
		const {environment: variable} = options[name];
		const text = variable === undefined ? undefined : env[variable];
		if (variable === undefined || text === undefined || text === '' || !isEmpty(global, name)) continue;
		if (name === 'cipherPass' && !needsPassphrase(global)) continue;
		global.set(name, {value: text, origin: {kind: 'environment', variable}});
	}
}

function needsPassphrase(global: Layer): boolean {
	const isSet = (name: OptionName) => !isEmpty(global, name);
	if (isSet('cipherPassFile') || isSet('cipherPassCommand')) return false;
	const decrypts = global.get('decrypt')?.value === true;
	if (decrypts) return !isSet('cipherPrivateKey') && !isSet('cipherIdentityFile');
	return !isSet('cipherPublicKey') && !isSet('cipherRecipientsFile');
}

function isEmpty(values: Layer, name: OptionName): boolean {
	const value = values.get(name)?.value;
	return value === '' || (Array.isArray(value) && value.length === 0);
}
