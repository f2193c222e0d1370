import {type CommandLine} from './command-line.js';
import {type Merged} from './merge.js';

/** Everything that is known when an invocation is checked. */
export type Given = {
	/** Command line, environment and file combined. */
	readonly merged: Merged;
	readonly commandLine: CommandLine;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** True when there is a user who can be asked. */
	readonly terminal: boolean;
};

/** Returns whether an option has a meaningful value. */
export function isGiven(value: unknown): boolean {
	return value !== undefined && value !== false && value !== '' && !(Array.isArray(value) && value.length === 0);
}
