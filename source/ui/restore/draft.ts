/** A restore that the user is configuring. It survives Esc and failures. Pure. */
import {intoName} from '../../core/into-name.js';
import type {RestoreRequest} from '../../core/restore.js';
import type {DumpObject, DumpsToRestore, TargetServer} from '../../core/restore-handle.js';
import type {Secrets} from '../../core/secrets.js';
import {parseCsvRecord} from '../../lib/comma-list.js';

/** `new`: into a new database. `objects`: some objects into an existing database. `replace`: replaces a database. */
export type RestoreMode = 'new' | 'objects' | 'replace';

export const choices = {
	roles: ['needed', 'all', 'none'],
	data: ['yes', 'no'],
	privileges: ['yes', 'no'],
	compare: ['auto', 'rows', 'none'],
} as const;

export type RestoreValues = {
	readonly host: string;
	readonly port: string;
	readonly user: string;
	readonly name: string;
	readonly owner: string;
	readonly roles: (typeof choices.roles)[number];
	readonly privileges: (typeof choices.privileges)[number];
	readonly data: (typeof choices.data)[number];
	readonly jobs: string;
	readonly compare: (typeof choices.compare)[number];
	readonly locale: string;
	/** Patterns, separated by commas. */
	readonly skip: string;
};

export type FieldName = keyof RestoreValues;

export type RestoreDraft = {
	readonly source: DumpsToRestore;
	readonly mode: RestoreMode;
	readonly values: RestoreValues;
	/** Names of the databases to restore. */
	readonly databases: ReadonlySet<string>;
	/** With `objects`: the objects to restore. */
	readonly ids: ReadonlySet<number>;
	readonly schemas: ReadonlySet<string>;
	/** The names of `ids`, from which patterns are made. */
	readonly objects: ReadonlyMap<number, Pick<DumpObject, 'schema' | 'name'>>;
	readonly dependents: boolean;
	/** What the user typed to confirm a replacement. */
	readonly typed: string;
	readonly secrets?: Secrets;
};

/** Several databases get their names from a pattern. */
export function newDraft(source: DumpsToRestore, mode: RestoreMode, server: TargetServer): RestoreDraft {
	const [first] = source.dumps;
	const own = source.dumps.length === 1 ? (first?.database ?? '') : '{dbname}';
	return {
		source,
		mode,
		values: {
			host: server.host,
			port: server.port === 0 ? '' : String(server.port),
			user: server.user,
			name: mode === 'new' ? `${own}_restored` : own,
			owner: '',
			roles: 'needed',
			privileges: 'yes',
			data: 'yes',
			jobs: '',
			compare: 'auto',
			locale: '',
			skip: '',
		},
		databases: new Set(source.dumps.map(dump => dump.database)),
		ids: new Set(),
		schemas: new Set(),
		objects: new Map(),
		dependents: true,
		typed: '',
	};
}

export function draftKey({location, run, dumps}: DumpsToRestore, mode: RestoreMode): string {
	return JSON.stringify([location, run, mode, ...dumps.map(dump => dump.key)]);
}

export function serverOf({host, port, user}: RestoreValues): TargetServer {
	return {host: host.trim(), port: Number(port), user: user.trim()};
}

/** Returns the names of the restored databases. */
export function targetNames({source, databases, values}: RestoreDraft): readonly string[] {
	return [...databases].map(database => intoName(values.name, database, new Date(source.time)));
}

export function requestOf(draft: RestoreDraft): RestoreRequest {
	const {source, mode, values, databases, schemas, ids, objects, dependents, secrets} = draft;
	const own = values.name === '{dbname}' || (databases.size === 1 && databases.has(values.name));
	return {
		location: source.location,
		run: source.run,
		databases: [...databases],
		server: serverOf(values),
		into: own ? '' : values.name,
		replace: mode === 'replace',
		...(mode === 'objects' && {
			only: [...ids].flatMap(id => patternOf(objects.get(id))),
			onlySchema: [...schemas].map(quoted),
			noDependents: !dependents,
		}),
		noData: values.data === 'no',
		noPrivileges: values.privileges === 'no',
		owner: values.owner.trim(),
		roles: values.roles,
		restoreJobs: Number(values.jobs),
		compare: values.compare,
		locale: values.locale.trim(),
		skip: parseCsvRecord(values.skip).value ?? [values.skip],
		...(secrets && {secrets}),
	};
}

function patternOf(object: Pick<DumpObject, 'schema' | 'name'> | undefined): readonly string[] {
	if (object === undefined) return [];
	const {schema, name} = object;
	return [schema === undefined ? quoted(name) : `${quoted(schema)}.${quoted(name)}`];
}

/** Quotes a name that would have another meaning as a pattern: upper case, dots, wildcards. */
function quoted(name: string): string {
	return /^[a-z_][a-z\d_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
