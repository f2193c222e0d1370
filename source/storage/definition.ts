/** The definition of a kind of store, without its SDK: everything outside its folder is derived from this. */
import type {OptionTable, ValuesOf} from '../core/option.js';
import type {Environment} from '../lib/environment.js';
import type {OpenContext, Storage} from './storage.js';

/** What a store may use in addition to its own settings. */
export type Outside = {
	readonly env: Environment;
	/** The mode of files, if the store has modes. */
	readonly fileMode: number | undefined;
};

export type StoreDefinition<Name extends string = string, Options extends OptionTable = OptionTable> = {
	/** The name in `upload = NAME`; also the id of its location. */
	readonly name: Name;
	/** The heading of the store's options in the help and the manual. */
	readonly title: string;
	readonly options: Options;
	/** Returns whether the settings suffice to offer it as a location. */
	readonly isConfigured: (settings: ValuesOf<Options>) => boolean;
	/** Returns what is missing or wrong in the settings, each as the end of a sentence that begins with the name. */
	readonly problems: (settings: ValuesOf<Options>, env: Outside['env']) => readonly string[];
	/** Returns the location for people, before it is opened: a URL without prefix and secrets. */
	readonly location: (settings: ValuesOf<Options>) => string;
	/** Matches environment variables that may contain its credentials, which PostgreSQL tools do not inherit. */
	readonly secretVariables?: RegExp;
	/**
	 * Loads the store's code and opens it; the caller closes it. Throws CONFIG for invalid settings and STORAGE when the
	 * store cannot be used.
	 */
	readonly open: (settings: ValuesOf<Options>, outside: Outside, context: OpenContext) => Promise<Storage>;
};

/** Returns the definition with its exact type. */
export function defineStore<Name extends string, Options extends OptionTable>(
	definition: StoreDefinition<Name, Options>,
): StoreDefinition<Name, Options> {
	return definition;
}

/** Returns undefined for an empty setting. */
export function optional(value: string): string | undefined {
	return value === '' ? undefined : value;
}
