import type {PlanPreview} from '../core/handle.js';
import {plural} from '../lib/format.js';
import {formatVersion} from '../postgres/versions.js';
import type {RunContext} from './context.js';
import {planBackup} from './dry-run.js';

/** What a backup of `databases` (all that the configuration says, when empty) would do, for the console. */
export async function previewBackup(run: RunContext, databases: readonly string[]): Promise<PlanPreview> {
	const plan = await planBackup(run, databases.length > 0 ? databases : undefined);
	const {settings} = run.configuration;
	const removed = plan.purge.filter(item => item.action === 'remove').length;
	return {
		databases: plan.files
			.filter(file => file.format !== undefined)
			.map(({name, size, format}) => ({name, bytes: size ?? 0, format: format ?? ''})),
		facts: [
			['server', `PostgreSQL ${plan.server.version} at ${plan.server.host}:${plan.server.port}`],
			['pg_dump', formatVersion(plan.tools.pgDump.version)],
			['into', settings.backupDirectory],
			['at once', String(settings.jobs)],
			['checksum', settings.checksumAlgorithm],
			['encryption', settings.encrypt ? 'age' : 'none'],
			['upload', settings.upload],
			['purge', `${plural(removed, 'file')} would go`],
			...plan.problems.map((problem): [string, string] => ['problem', problem.message]),
		],
	};
}
