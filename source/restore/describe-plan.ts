/** Formats the plan of a restore, for people and for programs. Pure. */
import type {LogLevel} from '../core/events.js';
import type {RestorePreview} from '../core/restore.js';
import {display} from '../lib/display.js';
import {formatBytes, plural} from '../lib/format.js';
import {formatVersion} from '../postgres/versions.js';
import {type DatabasePlan, type Finding, replacedBy, type RestorePlan} from './restore-plan.js';

export type PlanLine = {readonly level: LogLevel; readonly text: string};

/** In the order of execution; findings last. */
export function planLines(plan: RestorePlan): readonly PlanLine[] {
	const {source, target, roles, databases, findings} = plan;
	const info = (text: string): PlanLine => ({level: 'info', text});
	const from = source.runId === undefined ? 'dumps without a manifest' : `run ${source.runId}`;
	return [
		info(
			`restoring ${plural(databases.length, 'database')} of ${from} of ${source.time} at ${display(source.location)}, ${source.proven}`,
		),
		info(
			`from PostgreSQL ${source.server ?? 'of unknown version'}${identity(source.systemIdentifier)} into PostgreSQL ${target.version} at ${display(target.label)}${identity(target.systemIdentifier)} as ${display(target.user)}`,
		),
		...(roles.create.length > 0
			? [info(`roles to create: ${roles.create.map(role => display(role.name)).join(', ')}`)]
			: []),
		...databases.map(one => info(describeDatabase(one))),
		...findings.map(findingLine),
	];
}

function identity(system: string | undefined): string {
	return system === undefined ? '' : ` (system ${system})`;
}

function describeDatabase({prepared, target, mode, previous, road, jobs, pgRestore}: DatabasePlan): string {
	const {dump, format, encrypted, bytes} = prepared;
	const how = pgRestore ? `, pg_restore ${formatVersion(pgRestore.version)}` : '';
	const what = `${display(dump.database)} (${display(dump.path)}, ${format}${encrypted ? ', encrypted' : ''}, ${formatBytes(bytes)})`;
	if (mode === 'skip') return `${what}: skipped`;
	if (mode === 'only')
		return `${plural(prepared.closure?.entries.length ?? 0, 'entry', 'entries')} of ${what} into ${display(target)}, in one transaction${how}`;
	const to =
		mode === 'replace'
			? `in place of ${display(target)}, which becomes ${display(previous ?? '')}`
			: `as ${display(target)}`;
	return `${what} ${to}: ${roadText[road]}, ${plural(jobs, 'job')}${how}`;
}

const roadText: Readonly<Record<DatabasePlan['road'], string>> = {
	'in place': 'read in place',
	file: 'fetched first',
	stream: 'streamed',
	members: 'streamed table by table',
	psql: 'streamed to psql',
};

function findingLine({severity, text, hint}: Finding): PlanLine {
	const level = severity === 'stop' ? 'error' : severity === 'warn' ? 'warn' : 'info';
	return {level, text: hint === undefined ? text : `${text} (${hint})`};
}

/** Returns the plan for `--dry-run --json` and the console: without secrets and tables of contents. */
export function planPreview(plan: RestorePlan): RestorePreview {
	const {source, target, roles, databases, findings} = plan;
	return {
		schema: 1,
		source,
		target,
		roles: {create: roles.create.map(role => role.name), missing: roles.missing, differences: roles.differences},
		databases: databases.map(one => ({
			database: one.prepared.dump.database,
			path: one.prepared.dump.path,
			format: one.prepared.format,
			encrypted: one.prepared.encrypted,
			bytes: one.prepared.bytes,
			tables: one.prepared.needs.tables,
			extensions: [...one.prepared.needs.extensions],
			target: one.target,
			mode: one.mode,
			entries: one.prepared.closure?.entries.map(({kind, schema, tag}) => ({
				kind,
				...(schema !== undefined && {schema}),
				name: tag,
			})),
			previous: one.previous,
			road: one.road,
			jobs: one.jobs,
			pgRestore: one.pgRestore && formatVersion(one.pgRestore.version),
		})),
		findings,
		replaced: replacedBy(plan),
	};
}
