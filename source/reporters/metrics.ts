/** Files for Prometheus's textfile collector, each replaced atomically when a run has ended. */
import {randomBytes} from 'node:crypto';
import {open, rename, rm} from 'node:fs/promises';
import {extname} from 'node:path';
import {isSystemError} from '../core/errors.js';
import type {RunState} from '../core/run-state.js';
import {readSmallFile, UnsafeFileError} from '../lib/own-file.js';
import {backupMetrics} from './backup-metrics.js';
import {drillMetrics} from './drill-metrics.js';
import {withoutServerLabel, withServerLabel} from './prometheus.js';
import type {Reported} from './reports.js';
import {verifyMetrics} from './verify-metrics.js';

type Kind = Exclude<Reported, 'nothing'>;

const textOf: Readonly<Record<Kind, (state: RunState, before: string) => string>> = {
	backup: backupMetrics,
	drill: drillMetrics,
	verify: verifyMetrics,
};

/**
 * Returns the file for a kind of run: `x.prom` for a backup, `x.drill.prom` and `x.verify.prom` for others, which must
 * not change that.
 */
export function metricsPath(path: string, kind: Kind): string {
	if (kind === 'backup') return path;
	const extension = extname(path);
	return `${path.slice(0, path.length - extension.length)}.${kind}${extension}`;
}

/** Bytes: a server with ten thousand databases has some megabytes. */
const largest = 64 * 1024 * 1024;

/** Returns an empty string if there is no file, or if it cannot be ours (a pipe, a link) and is replaced. */
async function metricsBefore(path: string): Promise<string> {
	try {
		return (await readSmallFile(path, largest)).bytes.toString();
	} catch (error) {
		if (error instanceof UnsafeFileError || isSystemError(error)) return '';
		throw error;
	}
}

/**
 * Writes the metrics of a finished run, with the label `server` unless that is empty. Throws errors of the file system.
 * Mode 0644: the collector runs as another user.
 */
export async function writeMetrics(metricsFile: string, kind: Kind, state: RunState, server = ''): Promise<void> {
	const path = metricsPath(metricsFile, kind);
	const before = withoutServerLabel(await metricsBefore(path));
	const text = textOf[kind](state, before);
	await replaceMetrics(path, server === '' ? text : withServerLabel(text, server));
}

/** Replaces a file atomically. */
export async function replaceMetrics(path: string, text: string): Promise<void> {
	const partial = `${path}.${randomBytes(4).toString('hex')}`;
	const handle = await open(partial, 'wx', 0o644);
	try {
		await handle.chmod(0o644);
		await handle.writeFile(text);
		await handle.sync();
		await handle.close();
		await rename(partial, path);
	} catch (error) {
		await handle.close();
		await rm(partial, {force: true});
		throw error;
	}
}
