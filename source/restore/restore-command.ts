/** Returns the command line for a restore that was requested in the console. Pure. */
import type {Configuration} from '../config/configuration.js';
import type {RestoreRequest} from '../core/restore.js';
import {literalGlob} from '../lib/glob.js';
import {backupLocation, storeOf} from '../repository/locations.js';
import {commandLine} from './command-line.js';

/** Options of restores that are repeated when they were on the command line. */
const repeated = ['restoreDirectory', 'afterRestoreHook', 'stream', 'analyze', 'amcheck'];

/** Returns the command without secrets; options that contain one are omitted and must be given in another way. */
export function commandOf(configuration: Configuration, request: RestoreRequest): string {
	const {location, databases, server, secrets: _, ...rest} = request;
	const restore = storeOf(location) ?? backupLocation;
	return commandLine(configuration, {restore, ...server, ...rest}, databases.map(literalGlob), repeated);
}
