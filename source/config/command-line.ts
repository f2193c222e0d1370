import {type AnyValue, type OptionName} from './options.js';

/** What stood on the command line, each value read by the rules of its option. */
export type CommandLine = {
	/** Only what was given. */
	readonly values: ReadonlyMap<OptionName, AnyValue>;
	/** Positional arguments: databases, or patterns. */
	readonly arguments: readonly string[];
};
