/**
 * The table of options, from which flags, config keys, types of settings, help, completion and manual are generated.
 */
import type {Option, ValueOf} from '../core/option.js';
import {anyStores, storeOptions} from '../storage/definitions.js';
import {connection} from './options/connection.js';
import {consoleOptions} from './options/console.js';
import {dump} from './options/dump.js';
import {encryption} from './options/encryption.js';
import {fleet} from './options/fleet.js';
import {general} from './options/general.js';
import {remote} from './options/remote.js';
import {restore} from './options/restore.js';
import {retention} from './options/retention.js';
import {runs} from './options/runs.js';

export type {AnyValue, Option} from '../core/option.js';
export {defaultConfigFile} from './options/general.js';

const table = {
	...connection,
	...dump,
	...encryption,
	...retention,
	...remote,
	...storeOptions,
	...restore,
	...runs,
	...consoleOptions,
	...fleet,
	...general,
} as const;

/** The headings of the help, in order. */
export const groups: readonly string[] = [
	'General',
	'Connection',
	'Many servers',
	'What to dump',
	'How to dump',
	'Checks and encryption',
	'Retention',
	...new Set(['Remote storage', ...anyStores.map(({title}) => title)]),
	'Decrypt, list and download',
	'Restore',
	'Look into dumps and runs',
	'Output and monitoring',
];

type Table = typeof table;

/** The key of an option in the code: its config key in camel case, else its long name. */
export type OptionName = keyof Table;

type NamesThat<Condition> = {[N in OptionName]: Table[N] extends Condition ? N : never}[OptionName];
type SectionOnlyName = NamesThat<{perDatabase: 'only'}>;
export type DatabaseOptionName = NamesThat<{perDatabase: 'also' | 'only'}>;
export type SettingName = Exclude<OptionName, SectionOnlyName>;

/** The complete, checked settings: command line over config file over defaults. */
export type Settings = {readonly [N in SettingName]: ValueOf<Table[N]>};

/** The settings of one database. */
export type DatabaseSettings = {readonly [N in DatabaseOptionName]: ValueOf<Table[N]>};

export const options: Readonly<Record<OptionName, Option>> = table;
export const optionNames = Object.keys(table) as readonly OptionName[];

export const settingNames = optionNames.filter((name): name is SettingName => options[name].perDatabase !== 'only');
export const databaseOptionNames = optionNames.filter(
	(name): name is DatabaseOptionName => options[name].perDatabase !== undefined,
);

/** The meaning of a flag: its option, and whether it is the negative form. */
export type Flag = {readonly name: OptionName; readonly option: Option; readonly negative: boolean};

/** Every flag by its long name, including negative forms. */
export const longFlags: ReadonlyMap<string, Flag> = new Map(
	optionNames.flatMap((name): (readonly [string, Flag])[] => {
		const option = options[name];
		return [
			...(option.long === undefined ? [] : [[option.long, {name, option, negative: false}] as const]),
			...(option.negative === undefined ? [] : [[option.negative, {name, option, negative: true}] as const]),
		];
	}),
);

export const shortFlags: ReadonlyMap<string, Flag> = new Map(
	optionNames.flatMap(name => {
		const option = options[name];
		return option.short === undefined ? [] : [[option.short, {name, option, negative: false}] as const];
	}),
);

/** Every option of the config file by its key. */
export const configKeys: ReadonlyMap<string, OptionName> = new Map(
	optionNames.flatMap(name => {
		const {key} = options[name];
		return key === undefined ? [] : [[key, name] as const];
	}),
);
