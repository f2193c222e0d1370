import type {Environment} from '../lib/environment.js';
import {type CommandLine} from './command-line.js';
import {type Merged} from './merge.js';

/** The input of the checks: the merged settings, and where they come from. */
export type Invocation = {
	/** Command line, environment and file combined. */
	readonly merged: Merged;
	readonly commandLine: CommandLine;
	readonly env: Environment;
	/** True when there is a user who can be asked. */
	readonly terminal: boolean;
};

/** Returns whether an option has a meaningful value. */
export function isGiven(value: unknown): boolean {
	return value !== undefined && value !== false && value !== '' && !(Array.isArray(value) && value.length === 0);
}
