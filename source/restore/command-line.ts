/** Command lines made of a configuration and what differs from it. Pure. */
import type {Configuration} from '../config/configuration.js';
import {type AnyValue, type Option, type OptionName, options, settingNames, type Settings} from '../config/options.js';
import {maskInside} from '../config/print.js';
import {formatCsvRecord} from '../lib/comma-list.js';
import {joinWords} from '../lib/shell-words.js';
import {shownCommand} from '../lib/shown-command.js';
import {storeOptions} from '../storage/definitions.js';

/** Options that say where servers, dumps, keys and programs are: repeated when they were on the command line. */
const repeated: ReadonlySet<string> = new Set([
	...['config', 'noConfigFile', 'server', 'binDirectory', 'backupDirectory', 'uploadPrefix'],
	...['cipherIdentityFile', 'cipherPassFile', 'host', 'port', 'user', 'dbname'],
	...Object.keys(storeOptions),
]);

/** With the options that `patch` sets, and those of `more` that were given. Without secrets: what holds one must be given otherwise, and is left out. */
export function commandLine(
	configuration: Configuration,
	patch: Partial<Settings>,
	names: readonly string[],
	more: readonly string[] = [],
): string {
	const words = settingNames.flatMap((name): readonly string[] => {
		const {secret, default: unset} = options[name];
		const isGiven = configuration.given(name);
		if (secret !== undefined || !(name in patch || (isGiven && (repeated.has(name) || more.includes(name))))) return [];
		const value = name in patch ? patch[name] : configuration.settings[name];
		const configured = isGiven ? unset : configuration.settings[name];
		return isSame(value, configured) ? [] : wordsOf(options[name], value);
	});
	return shownCommand(['pg_back', ...words, ...(names.some(name => name.startsWith('-')) ? ['--'] : []), ...names]);
}

function isSame(one: AnyValue, other: AnyValue): boolean {
	if (typeof one !== 'object' || typeof other !== 'object') return one === other;
	return one.length === other.length && one.every((item, index) => item === other[index]);
}

const ofServer: readonly OptionName[] = [
	...(['config', 'noConfigFile', 'server', 'binDirectory', 'host', 'port', 'user', 'dbname'] as const),
];

/**
 * Returns a command about the server of this run, such as `--swap-back`: without the options that lead there it would be
 * one about another server. A password in a connection string is masked, and must be filled in.
 */
export function serverCommand(configuration: Configuration, patch: Partial<Settings>): string {
	const words = settingNames.flatMap((name): readonly string[] => {
		if (name in patch) return wordsOf(options[name], patch[name]);
		if (!ofServer.includes(name) || !configuration.given(name)) return [];
		const value = configuration.settings[name];
		return wordsOf(options[name], typeof value === 'string' ? maskInside(value) : value);
	});
	return shownCommand(['pg_back', ...words]);
}

/** Returns a command about the server that drills use, like `serverCommand`. The drill itself ignores `-h`, `-p` and `-U`. */
export function drillServerCommand(configuration: Configuration, patch: Partial<Settings>): string {
	const {drillDbname, host, port, user} = configuration.settings;
	return serverCommand(configuration, {
		...(host !== '' && {host: ''}),
		...(port !== 0 && {port: 0}),
		...(user !== '' && {user: ''}),
		...patch,
		dbname: maskInside(drillDbname),
	});
}

/** Returns the option that confirms these names, in shell syntax. */
export function confirmOption(names: readonly string[]): string {
	return shownCommand(wordsOf(options.confirm, names));
}

/** Returns the option that leaves out the entries with these patterns, in shell syntax. */
export function skipOption(patterns: readonly string[]): string {
	return shownCommand(wordsOf(options.skip, patterns));
}

/** Returns the words that give an option this value; none if it has no form on the command line. */
function wordsOf(option: Option, value: AnyValue): readonly string[] {
	const {long, short, kind, negative} = option;
	if (long === undefined || value === undefined) return [];
	if (kind === 'boolean') return value === true ? [`--${long}`] : negative === undefined ? [] : [`--${negative}`];
	const text = kind === 'yesNo' ? (value === true ? 'yes' : 'no') : valueText(option, value);
	if (text.startsWith('-') || text === '') return [`--${long}=${text}`];
	return [short === undefined ? `--${long}` : `-${short}`, text];
}

function valueText(option: Option, value: Exclude<AnyValue, undefined>): string {
	if (typeof value !== 'object') return String(value);
	if (option.kind === 'words') return joinWords(value);
	return option.kind === 'list' && option.items === 'patterns' ? value.join(',') : formatCsvRecord(value);
}
