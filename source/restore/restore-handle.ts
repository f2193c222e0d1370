/** The part of the engine's handle for restores. The implementation is loaded at the first call. */
import type {Command} from '../core/events.js';
import type {StartedRestore} from '../core/restore.js';
import type {RestoreHandle} from '../core/restore-handle.js';
import type {Secrets} from '../core/secrets.js';
import {backupLocation, storeOf} from '../repository/locations.js';
import type {RunContext, RunResult} from '../runs/context.js';
import {eventError} from '../runs/scheduler.js';
import {commandOf} from './restore-command.js';

export type RestoreHandleParts = {
	readonly configuration: RunContext['configuration'];
	/** Creates a separate run for reading. */
	readonly runFor: (signal: AbortSignal, secrets?: Secrets) => RunContext;
	readonly start: (command: Command, work: (run: RunContext) => Promise<RunResult>) => Promise<RunResult>;
};

export function createRestoreHandle({configuration, runFor, start}: RestoreHandleParts): RestoreHandle {
	return {
		async dumpsToRestore(location, keys, {signal}) {
			const {findDumps} = await import('./dumps-to-restore.js');
			return findDumps(runFor(signal), location, keys);
		},
		defaultServer() {
			const {host, port, user} = configuration.settings;
			return {host, port, user};
		},
		async inspectTarget(server, {signal}) {
			const {inspectTarget} = await import('./inspect-target.js');
			return inspectTarget(runFor(signal), server);
		},
		async contentsOf(location, key, {signal, secrets}) {
			const {contentsAt} = await import('./contents-of.js');
			return contentsAt(runFor(signal, secrets), storeOf(location) ?? backupLocation, key);
		},
		async swapBack(name, server) {
			const {swapBack} = await import('./swap.js');
			const {atServer} = await import('./inspect-target.js');
			const ended = start('restore', run => swapBack(atServer(run, server), name));
			return startedRestore(ended);
		},
		async dropKept(name, server) {
			const {dropKept} = await import('./inspect-target.js');
			await dropKept(runFor(new AbortController().signal), server, name);
		},
		restoreCommand: request => commandOf(configuration, request),
	};
}

/** Returns what the console awaits of a restore: how it ended. */
export function startedRestore(ended: Promise<RunResult>): StartedRestore {
	return {ended: ended.then(({outcome, error}) => ({outcome, ...(error && {error: eventError(error)})}))};
}
