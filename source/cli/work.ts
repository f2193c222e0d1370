/** Converts the requests of the command line to work for the engine. */
import type {Configuration} from '../config/configuration.js';
import type {Settings} from '../config/options.js';
import type {Work} from '../runs/work-runner.js';
import type {Asked} from './asked.js';
import {inspectionFor} from './inspect-work.js';
import {type Io, writerTo} from './io.js';

/** Returns what the user may choose from at a terminal; the work itself needs patterns. */
export function chooseFrom({settings, arguments: patterns}: Configuration): string | undefined {
	if (patterns.length > 0) return undefined;
	if (settings.listRemote !== 'none' && !settings.long && !settings.json) return settings.listRemote;
	if (settings.download !== 'none') return settings.download;
	return settings.decrypt && !settings.stdout ? 'backup' : undefined;
}

/** Returns the requested work; a backup if nothing else was requested. */
export async function askedFor(io: Io, configuration: Configuration): Promise<Asked> {
	const {settings} = configuration;
	const asked =
		(await questionAsked(io, settings)) ??
		(await restoreAsked(io, settings)) ??
		(await inspectionFor(io, settings)) ??
		(await purgeAsked(io, settings));
	if (asked) return asked;
	if (settings.dryRun) {
		const {dryRun} = await import('./dry-run.js');
		return {command: 'dry-run', work: run => dryRun(io, run), printsResult: true};
	}
	const other = (await filesAsked(io, settings)) ?? (await uploadAsked(settings));
	if (other) return other;
	if (settings.shard !== '') return shardAsked(io, settings);
	const {runBackup} = await import('../backup/backup.js');
	return {command: 'backup', work: run => runBackup(run)};
}

async function shardAsked(io: Io, {shard, runName, writePlan: writesPlan}: Settings): Promise<Asked> {
	const {chooseShard} = await import('../config/shard.js');
	const choice = chooseShard(shard, {runName, writesPlan, env: io.env});
	const {runShard, writePlan} = await import('../fleet/shards/run-shard.js');
	if (writesPlan) return {command: 'check', work: run => writePlan(run, choice)};
	return {command: 'backup', work: run => runShard(run, choice)};
}

/** Commands that print an answer without changing anything. */
async function questionAsked(io: Io, settings: Settings): Promise<Asked | undefined> {
	if (settings.checkConfig === 'connect') {
		const {checkConnections} = await import('../backup/check-connections.js');
		return {command: 'check', work: checkConnections, printsResult: true};
	}
	if (settings.fleet !== 'none' || settings.fleetMetrics !== '') {
		const {fleetWork} = await import('./fleet.js');
		return {command: 'list', work: run => fleetWork(io, run), printsResult: true};
	}
	if (settings.fleetRebuild !== 'none') {
		const {rebuildStatus} = await import('../fleet/rebuild-status.js');
		const store = settings.fleetRebuild;
		return {command: 'list', work: run => rebuildStatus(run, store)};
	}
	if (settings.doctor) {
		const {examine, pageOf} = await import('../backup/doctor.js');
		const work: Work = async run => {
			const findings = await examine(run);
			const {lines, status} = pageOf(findings);
			io.stdout.write(lines);
			return {exitCode: status, outcome: status === 0 ? 'done' : 'failed'};
		};
		return {command: 'check', work, printsResult: true};
	}
	const {checkAge: limit} = settings;
	if (limit !== undefined) {
		const {checkAge, unknown} = await import('../repository/check-age.js');
		const work: Work = async run => {
			const {text, status} = await checkAge(run, limit).catch(unknown);
			io.stdout.write(`${text}\n`);
			return {exitCode: status, outcome: status === 0 ? 'done' : 'failed'};
		};
		return {command: 'list', work, printsResult: true};
	}
	return undefined;
}

async function restoreAsked(io: Io, settings: Settings): Promise<Asked | undefined> {
	if (settings.restore !== 'none') {
		const where = settings.restore;
		if (settings.dryRun) {
			const {printRestorePlan} = await import('./restore-plan.js');
			return {command: 'restore', work: run => printRestorePlan(io, run, where), printsResult: true};
		}
		const {runRestore} = await import('../restore/restore.js');
		return {command: 'restore', work: run => runRestore(run, where)};
	}
	if (settings.swapBack !== '') {
		const {swapBack} = await import('../restore/swap.js');
		const name = settings.swapBack;
		return {command: 'restore', work: run => swapBack(run, name)};
	}
	if (settings.cleanupRestores) {
		const {cleanupRestores} = await import('../restore/cleanup-restores.js');
		return {command: 'restore', work: cleanupRestores};
	}
	return undefined;
}

async function purgeAsked(io: Io, {purge, dryRun, fleetPrefix}: Settings): Promise<Asked | undefined> {
	if (purge === 'none') return undefined;
	if (dryRun) {
		const {printPurge} = await import('./dry-run.js');
		return {command: 'dry-run', work: run => printPurge(io, run, purge), printsResult: true};
	}
	const {runPurge} = await import('../backup/run-purge.js');
	if (fleetPrefix === '' || purge === 'backup') return {command: 'purge', work: run => runPurge(run, purge)};
	const {purgePlans} = await import('../fleet/shards/purge-plans.js');
	const work: Work = async run => {
		const result = await runPurge(run, purge);
		await purgePlans(run, purge);
		return result;
	};
	return {command: 'purge', work};
}

/** Commands on existing files. */
async function filesAsked(io: Io, settings: Settings): Promise<Asked | undefined> {
	const {listRemote, download, verifyStore, restoreDrill} = settings;
	if (listRemote !== 'none') {
		const {printRemote} = await import('./list-remote.js');
		return {command: 'list', work: run => printRemote(io, run, listRemote), printsResult: true};
	}
	if (download !== 'none') {
		const {runDownload} = await import('../restore/download.js');
		return {command: 'download', work: run => runDownload(run, download)};
	}
	if (verifyStore !== 'none') {
		const {runVerify} = await import('../restore/verify.js');
		return {command: 'verify', work: run => runVerify(run, verifyStore)};
	}
	if (restoreDrill !== 'none') {
		const {runRestoreDrill} = await import('../restore/drill.js');
		return {command: 'drill', work: run => runRestoreDrill(run, restoreDrill)};
	}
	if (settings.decrypt) {
		const {runDecrypt} = await import('../restore/decrypt.js');
		if (!settings.stdout) return {command: 'decrypt', work: run => runDecrypt(run)};
		return {command: 'decrypt', work: run => runDecrypt(run, {toStdout: writerTo(io)}), printsResult: true};
	}
	return undefined;
}

async function uploadAsked(settings: Settings): Promise<Asked | undefined> {
	if (settings.resumeUploads) {
		const {runResumeUploads} = await import('../backup/resume-uploads.js');
		return {command: 'upload', work: runResumeUploads};
	}
	const {cleanupRemote: cleanup} = settings;
	if (cleanup !== 'none') {
		const {cleanupRemote} = await import('../repository/cleanup-remote.js');
		return {command: 'upload', work: run => cleanupRemote(run, cleanup)};
	}
	return undefined;
}
