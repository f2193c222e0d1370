/** THE table of options: flags, config keys, types of settings, help, completion and manual are made from it. */
import {connection} from './options/connection.js';
import {consoleOptions} from './options/console.js';
import {dump} from './options/dump.js';
import {encryption} from './options/encryption.js';
import {general} from './options/general.js';
import {type Option, type ValueOf} from './options/option.js';
import {remote} from './options/remote.js';
import {retention} from './options/retention.js';
import {storeOptions} from './options/stores.js';

export {groups, type AnyValue, type Group, type Option} from './options/option.js';
export {defaultConfigFile} from './options/general.js';
export {stores, type Store} from './options/remote.js';

const table = {
	...connection,
	...dump,
	...encryption,
	...retention,
	...remote,
	...storeOptions,
	...consoleOptions,
	...general,
} as const;

type Table = typeof table;

/** The key of an option in the code: its config key in camel case, else its long name. */
export type OptionName = keyof Table;

type NamesThat<Condition> = {[N in OptionName]: Table[N] extends Condition ? N : never}[OptionName];
type SectionOnlyName = NamesThat<{perDatabase: 'only'}>;
export type DatabaseOptionName = NamesThat<{perDatabase: 'also' | 'only'}>;
export type SettingName = Exclude<OptionName, SectionOnlyName>;

/** What is asked for, whole and checked: command line over config file over defaults. */
export type Settings = {readonly [N in SettingName]: ValueOf<Table[N]>};

/** What is asked for one database. */
export type DatabaseSettings = {readonly [N in DatabaseOptionName]: ValueOf<Table[N]>};

export const options: Readonly<Record<OptionName, Option>> = table;
/** With the pending ones, which only have their defaults. */
export const allOptionNames = Object.keys(table) as readonly OptionName[];
/** The options that have their feature: all others are unknown options. */
export const optionNames = allOptionNames.filter(name => !options[name].pending);

export const settingNames = optionNames.filter((name): name is SettingName => options[name].perDatabase !== 'only');
export const databaseOptionNames = optionNames.filter(
	(name): name is DatabaseOptionName => options[name].perDatabase !== undefined,
);

/** What a flag means: its option, and whether it is the negative form. */
export type Flag = {readonly name: OptionName; readonly option: Option; readonly negative: boolean};

/** Every flag by its long name, negative forms included. */
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
