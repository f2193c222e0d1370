/** A handle for dumps whose place only a report names: anyone with write permission to the store may have made it up. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {LocationHandle} from './location-handle.js';

/** Returns the handle without restores and changes: no restore and no deletion relies on a report. */
export function readingOnly(handle: LocationHandle, server: string): LocationHandle {
	const name = display(server);
	const refuse = (): Promise<never> =>
		Promise.reject(
			new PgBackError(
				'USAGE',
				`the place of these dumps is known from a report of ${name} only: to restore, prove, pin or delete them, put servers.d/${name}.conf next to the configuration file, or name the place with --upload-prefix`,
			),
		);
	return {
		...handle,
		dumpsToRestore: refuse,
		planRestore: refuse,
		restore: refuse,
		restoreDrill: refuse,
		pin: refuse,
		unpin: refuse,
		lastGoodOf: refuse,
		remove: refuse,
	};
}
