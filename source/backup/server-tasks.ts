/** The tasks of a backup for server-wide files: the globals, the settings and the configuration files. */
import {PgBackError} from '../core/errors.js';
import {once} from '../lib/single-chunk.js';
import type {Server} from '../postgres/catalog.js';
import {readServerFile, readSettings, type ServerFile} from '../postgres/server-files.js';
import type {Session} from '../postgres/session.js';
import {supportsConnectionString} from '../postgres/versions.js';
import {type Subject, subjectText} from '../retention/names.js';
import type {Task} from '../runs/scheduler.js';
import {writeArtifact} from '../stages/artifact.js';
import {dumpToArtifact} from '../stages/dump.js';
import {type BackupShared, plannedStages, reportsOf} from './backup-shared.js';
import {JobOutput} from './job-output.js';
import type {ServerFileKind} from './plan.js';
import {whyMissing} from './plan-facts.js';

/** Returns the tasks. `files` are those that were already read for the plan. */
export function serverTasks(
	shared: BackupShared,
	session: Session,
	server: Server,
	files: ReadonlyMap<ServerFileKind, ServerFile>,
): Task[] {
	const {run} = shared;
	const reading = (kind: ServerFileKind, read: () => Promise<ServerFile>) => async () => {
		const file = files.get(kind) ?? (await read());
		return file.content ?? whyMissing(file);
	};
	return [
		globalsTask(shared, run.configuration.settings.dumpRolePasswords && server.canReadRolePasswords),
		serverFileTask(
			shared,
			'settings',
			reading('settings', () => readSettings(session)),
		),
		serverFileTask(
			shared,
			'hba',
			reading('hba', () => readServerFile(session, 'hba_file')),
		),
		serverFileTask(
			shared,
			'ident',
			reading('ident', () => readServerFile(session, 'ident_file')),
		),
	];
}

function globalsTask(shared: BackupShared, withPasswords: boolean): Task {
	const {run, tools} = shared;
	const id = 'globals';
	const subject: Subject = {kind: 'globals'};
	return {
		plan: {id, kind: 'globals', name: subjectText(subject), ...plannedStages(shared)},
		async run(control) {
			const {pgDumpall} = tools;
			if (!pgDumpall) throw new PgBackError('BUG', 'pg_dumpall was not searched for');
			const {version} = pgDumpall;
			if (!withPasswords)
				run.emit({type: 'log', level: 'info', text: 'the globals are dumped without role passwords', job: id});
			const connection = shared.connection.forGlobals({byEnvironment: !supportsConnectionString(version)});
			const lockPath = shared.namer.path(subject, undefined, 'lock');
			const directoryLock = await shared.locks.directoryOf(lockPath);
			const turn = await shared.locks.turn(lockPath, 'the globals', control.signal);
			try {
				const time = await shared.namer.time(subject, 'sql');
				const plainPath = shared.namer.path(subject, time, 'sql');
				await new JobOutput(shared, control, {subject, time}).run(async (options, written) => {
					written.push(
						await dumpToArtifact(
							{
								command: pgDumpall.path,
								args: ['-g', '-w', ...connection.args, ...(withPasswords ? [] : ['--no-role-passwords'])],
								env: connection.env,
								inherit: [...new Set([turn.descriptor, directoryLock.descriptor])],
								ignoresWriteErrors: true,
								isSmall: true,
								what: 'pg_dumpall of globals',
								...reportsOf(run.emit, id),
							},
							{...options, role: 'globals', plainPath},
						),
					);
				});
			} finally {
				await turn.release();
			}
		},
	};
}

/** Returns the task. `read` returns the file's bytes, or why there are none (a warning was already logged). */
function serverFileTask(shared: BackupShared, kind: ServerFileKind, read: () => Promise<Uint8Array | string>): Task {
	const subject: Subject = {kind};
	const name = subjectText(subject);
	return {
		plan: {id: kind, kind, name, ...plannedStages(shared)},
		async run(control) {
			const content = await read();
			if (typeof content === 'string') {
				shared.run.emit({type: 'job.result', job: kind, result: 'skipped', detail: content});
				return;
			}
			const lockPath = shared.namer.path(subject, undefined, 'lock');
			await shared.locks.directoryOf(lockPath);
			const turn = await shared.locks.turn(lockPath, name, control.signal);
			try {
				const time = await shared.namer.time(subject, 'out');
				const plainPath = shared.namer.path(subject, time, 'out');
				await new JobOutput(shared, control, {subject, time}).run(async (options, written) => {
					control.meter.start('dump');
					control.meter.count('dump', content.byteLength);
					control.meter.finish('dump');
					written.push(await writeArtifact(once(content), {...options, role: kind, plainPath}));
				});
			} finally {
				await turn.release();
			}
		},
	};
}
