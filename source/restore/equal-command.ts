/** The command line that does what the console was asked to. Pure. */
import type {Configuration} from '../config/configuration.js';
import type {CommandRequest} from '../core/handle.js';
import {backupLocation, storeOf} from '../repository/locations.js';
import {dumpOf} from '../retention/names.js';
import {commandLine} from './command-line.js';

export function equalCommand(configuration: Configuration, request: CommandRequest): string {
	if (request.command === 'backup') return commandLine(configuration, {}, request.databases);
	const {location, keys} = request;
	const store = storeOf(location);
	const names = [...new Set(keys.map(dumpOf))];
	switch (request.command) {
		case 'fetch': {
			const patch = {decrypt: request.decrypt, backupDirectory: request.target, ...(store && {download: store})};
			return commandLine(configuration, patch, names);
		}
		case 'verify':
			return commandLine(configuration, {verifyStore: store ?? backupLocation}, names);
		case 'drill':
			return commandLine(configuration, {restoreDrill: store ?? backupLocation}, names);
	}
}
