/** What the command line asks for, as a piece of work for the engine. */
import type {Configuration} from '../config/configuration.js';
import type {Command} from '../core/events.js';
import type {Work} from '../engine/engine.js';
import {writerTo, type Io} from './io.js';

export type Asked = {
	readonly command: Command;
	readonly work: Work;
	/** It prints its result on stdout: no console beside it. */
	readonly printsResult?: true;
};

/** What to choose from when there is a terminal; the work itself needs patterns. */
export function chooseFrom({settings, arguments: patterns}: Configuration): string | undefined {
	const location = (store: string) => (store === 'local' ? 'directory' : store);
	if (patterns.length > 0) return undefined;
	if (settings.listRemote !== 'none' && !settings.long && !settings.json) return location(settings.listRemote);
	if (settings.download !== 'none') return location(settings.download);
	return settings.decrypt && !settings.stdout ? 'local' : undefined;
}

export async function askedFor(io: Io, configuration: Configuration): Promise<Asked> {
	const {settings} = configuration;
	const {listRemote, download, verifyStore, restoreDrill} = settings;
	if (settings.checkConfig === 'connect') {
		const {checkConnections} = await import('../engine/check-connections.js');
		return {command: 'backup', work: checkConnections, printsResult: true};
	}
	const {checkAge: limit} = settings;
	if (limit !== undefined) {
		const {checkAge} = await import('../engine/check-age.js');
		const work: Work = async run => {
			const {text, status} = await checkAge(run, limit);
			io.stdout.write(`${text}\n`);
			return {exitCode: status, outcome: status === 0 ? 'done' : 'failed'};
		};
		return {command: 'list', work, printsResult: true};
	}
	if (settings.dryRun) {
		const {dryRun} = await import('./dry-run.js');
		return {command: 'backup', work: run => dryRun(io, run), printsResult: true};
	}
	if (listRemote !== 'none') {
		const {printRemote} = await import('./list-remote.js');
		return {command: 'list', work: run => printRemote(io, run, listRemote), printsResult: true};
	}
	if (download !== 'none') {
		const {runDownload} = await import('../engine/download.js');
		return {command: 'download', work: run => runDownload(run, download)};
	}
	if (verifyStore !== 'none') {
		const {runVerify} = await import('../engine/verify.js');
		return {command: 'verify', work: run => runVerify(run, verifyStore)};
	}
	if (restoreDrill !== 'none') {
		const {runRestoreDrill} = await import('../engine/drill.js');
		return {command: 'restore', work: run => runRestoreDrill(run, restoreDrill)};
	}
	if (settings.decrypt) {
		const {runDecrypt} = await import('../engine/decrypt.js');
		if (!settings.stdout) return {command: 'decrypt', work: run => runDecrypt(run)};
		return {command: 'decrypt', work: run => runDecrypt(run, {toStdout: writerTo(io)}), printsResult: true};
	}
	if (settings.resumeUploads) {
		const {runResumeUploads} = await import('../engine/resume-uploads.js');
		return {command: 'upload', work: runResumeUploads};
	}
	const {cleanupRemote: cleanup} = settings;
	if (cleanup !== 'none') {
		const {cleanupRemote} = await import('../engine/cleanup-remote.js');
		return {command: 'upload', work: run => cleanupRemote(run, cleanup)};
	}
	const {runBackup} = await import('../engine/backup.js');
	return {command: 'backup', work: run => runBackup(run)};
}
