/** Plans a backup of `databases` (all configured ones when empty), for the console. */
import type {PlanPreview, PreviewOptions} from '../core/handle.js';
import {plural} from '../lib/format.js';
import {formatVersion} from '../postgres/versions.js';
import type {SecretContext, ServerContext} from '../runs/context.js';
import {planWithoutRunning} from './dry-run.js';
import type {BackupPlan, PlacePurge} from './plan.js';
import {placeItems} from './plan-object.js';

export async function previewBackup(
	run: ServerContext & SecretContext,
	databases: readonly string[],
	{listRemote = true}: PreviewOptions = {},
): Promise<PlanPreview> {
	const plan = await planWithoutRunning(run, {databases: databases.length > 0 ? databases : undefined, listRemote});
	const {settings} = run.configuration;
	return {
		databases: plan.outputs
			.filter(output => output.kind === 'database')
			.map(({name, bytes, format}) => ({name, bytes: bytes ?? 0, format: format ?? ''})),
		facts: [
			['server', `PostgreSQL ${plan.server.version} at ${plan.server.host}:${plan.server.port}`],
			['pg_dump', formatVersion(plan.tools.pgDump.version)],
			['into', settings.backupDirectory],
			['at once', String(settings.jobs)],
			['checksum', settings.checksumAlgorithm],
			['encryption', settings.encrypt ? 'age' : 'none'],
			['upload', settings.upload.join(', ') || 'none'],
			...plan.purge.map((place): [string, string] => ['purge', purgeText(place)]),
			...(settings.purgeRemote && !listRemote ? settings.upload : []).map((store): [string, string] => [
				'purge',
				`at ${store}: planned when the backup starts`,
			]),
			...linesOf(plan),
		],
	};
}

function purgeText(place: PlacePurge): string {
	let removed = 0;
	for (const _ of placeItems(place, 'remove')) removed++;
	return `${plural(removed, 'file')} would be removed from ${place.location}`;
}

function linesOf({warnings, problems}: BackupPlan): [string, string][] {
	return [
		...warnings.map((text): [string, string] => ['warning', text]),
		...problems.map(({message}): [string, string] => ['problem', message]),
	];
}
