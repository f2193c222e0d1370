/** The part of the engine's handle that checks dumps: by reading them, and by restoring them. */
import type {EngineHandle} from '../core/handle.js';
import {backupLocation, storeOf} from '../repository/locations.js';
import type {WorkStarter} from '../runs/work-runner.js';

export type CheckHandle = Pick<EngineHandle, 'verify' | 'restoreDrill'>;

export function createCheckHandle(runner: WorkStarter): CheckHandle {
	return {
		verify(location, keys, secrets) {
			const chosen = new Set(keys);
			return runner.startInBackground(
				'verify',
				async run =>
					(await import('./verify.js')).runVerify(run, storeOf(location) ?? backupLocation, path => chosen.has(path)),
				secrets,
			);
		},
		restoreDrill(location, keys, secrets) {
			const chosen = new Set(keys);
			return runner.startInBackground(
				'drill',
				async run =>
					(await import('./drill.js')).runRestoreDrill(run, storeOf(location) ?? backupLocation, path =>
						chosen.has(path),
					),
				secrets,
			);
		},
	};
}
