import type {Command} from '../core/events.js';

/** The kind of report at the end of a run: each has its own metrics, and only a backup is reported to `health_url`. */
export type Reported = 'backup' | 'drill' | 'verify' | 'nothing';

/** The one table of what reports: a command that did not make a backup must not look like one to monitoring. */
export const reportedAs: Readonly<Record<Command, Reported>> = {
	backup: 'backup',
	drill: 'drill',
	restore: 'nothing',
	verify: 'verify',
	check: 'nothing',
	'dry-run': 'nothing',
	decrypt: 'nothing',
	download: 'nothing',
	list: 'nothing',
	console: 'nothing',
	upload: 'nothing',
	purge: 'nothing',
};
