/** The part of the engine's handle that plans and starts backups. */
import type {EventBus} from '../core/bus.js';
import {toPgBackError} from '../core/errors.js';
import type {EngineHandle} from '../core/handle.js';
import type {JobState} from '../core/run-state.js';
import type {RunContext} from '../runs/context.js';
import type {BackupOptions} from '../runs/prepare-backup.js';
import type {Work, WorkRunner} from '../runs/work-runner.js';

export type BackupHandle = Pick<EngineHandle, 'preview' | 'backup'>;

export function createBackupHandle(bus: EventBus, runner: WorkRunner, newRun: () => RunContext): BackupHandle {
	/** The error of the last failed preview. */
	let lastProblem: string | undefined;
	return {
		async preview(databases, options) {
			const {previewBackup} = await import('./preview.js');
			try {
				const plan = await previewBackup(newRun(), databases, options);
				lastProblem = undefined;
				return plan;
			} catch (error) {
				const {message, hint} = toPgBackError(error);
				// The console asks repeatedly: the message is logged once.
				if (message !== lastProblem) {
					bus.emit({type: 'log', level: 'error', text: message});
					if (hint !== undefined) bus.emit({type: 'log', level: 'info', text: `hint: ${hint}`});
				}
				lastProblem = message;
				throw error;
			}
		},
		backup: databases => runner.startInBackground('backup', backupWork(databases.length > 0 ? {databases} : {})),
	};
}

export const backupWork =
	(options: BackupOptions): Work =>
	async run =>
		(await import('./backup.js')).runBackup(run, options);

export const uploadWork =
	(job: JobState): Work =>
	async run =>
		(await import('./resume-uploads.js')).runUploadOf(run, job);
