/** Command lines made of a configuration and what differs from it. Pure. */
import type {Configuration} from '../config/configuration.js';
import {type AnyValue, type Option, options, settingNames, type Settings} from '../config/options.js';
import {shownCommand} from '../process/shown-command.js';
import {storeOptions} from '../storage/definitions.js';

/** Options that say where servers, dumps, keys and programs are: repeated when they were on the command line. */
const repeated: ReadonlySet<string> = new Set([
	...['config', 'noConfigFile', 'server', 'binDirectory', 'backupDirectory', 'uploadPrefix'],
	...['cipherIdentityFile', 'cipherPassFile', 'host', 'port', 'username', 'dbname'],
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

function wordsOf({long, short, kind, negative}: Option, value: AnyValue): readonly string[] {
	if (long === undefined || value === undefined) return [];
	if (kind === 'boolean') return value === true ? [`--${long}`] : negative === undefined ? [] : [`--${negative}`];
	const text = kind === 'yesNo' ? (value === true ? 'yes' : 'no') : valueText(kind, value);
	if (text.startsWith('-') || text === '') return [`--${long}=${text}`];
	return [short === undefined ? `--${long}` : `-${short}`, text];
}

function valueText(kind: Option['kind'], value: Exclude<AnyValue, undefined>): string {
	if (typeof value !== 'object') return String(value);
	if (kind === 'words') return shownCommand(value);
	return value.map(item => (/[",]|^\s|\s$/.test(item) ? `"${item.replaceAll('"', '""')}"` : item)).join(',');
}
