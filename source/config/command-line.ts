import {type AnyValue, type OptionName} from './options.js';

/** The options of the command line, each value parsed by the rules of its option. */
export type CommandLine = {
	/** Only options that were given. */
	readonly values: ReadonlyMap<OptionName, AnyValue>;
	/** Positional arguments: databases, or patterns. */
	readonly arguments: readonly string[];
};
