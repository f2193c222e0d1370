/** What a console asks the engine before a restore: the contents of dumps, and the state of a target. Plain data. */
import type {RestoreRequest, StartedRestore} from './restore.js';
import type {Secrets} from './secrets.js';

/** The target server. Empty texts mean the defaults of libpq. */
export type TargetServer = {
	readonly host: string;
	/** 0: the default. */
	readonly port: number;
	readonly user: string;
};

export type TargetView = {
	/** For people: `db1:5432`. */
	readonly label: string;
	readonly version: string;
	readonly systemIdentifier: string | undefined;
	readonly user: string;
	readonly superuser: boolean;
	readonly databases: readonly TargetDatabaseView[];
	readonly roles: readonly string[];
	/** Our databases that a failed restore kept for inspection. */
	readonly kept: readonly string[];
};

export type TargetDatabaseView = {
	readonly name: string;
	/** Bytes; undefined if we lack the privilege. */
	readonly size: number | undefined;
	readonly sessions: number;
};

/** An object in a dump. */
export type DumpObject = {
	/** The id of its entry in the table of contents. */
	readonly id: number;
	/** As pg_restore -l prints it: `TABLE`, `FUNCTION`, `SCHEMA`. */
	readonly kind: string;
	readonly schema: string | undefined;
	readonly name: string;
	/** If they were recorded, or the archive contains them. */
	readonly rows?: number;
	readonly bytes?: number;
	/** It can be restored individually. */
	readonly canChoose: boolean;
};

/** Objects to restore: relations by their ids, and whole schemas by name. */
export type ObjectSelection = {readonly ids: ReadonlySet<number>; readonly schemas: ReadonlySet<string>};

/** What is restored together with some objects. */
export type IncludedObjects = {
	/** Entries of all kinds. */
	readonly entries: number;
	/** Their own parts, by kind: indexes, keys, triggers, policies, sequences, privileges, data. */
	readonly parts: readonly {readonly kind: string; readonly count: number}[];
	/** For people: objects that they need, which are restored if the target lacks them. */
	readonly needed: readonly string[];
	/** For people: objects that depend on them, which are restored if the target lacks them. */
	readonly dependents: readonly string[];
};

export type DumpContents = {
	readonly key: string;
	readonly database: string;
	/** Label and value, in order, for people. */
	readonly facts: readonly (readonly [label: string, value: string])[];
	/** In the order of the archive. Empty for plain SQL without recorded contents. */
	readonly objects: readonly DumpObject[];
	/** Why the list is incomplete. */
	readonly note?: string;
	readonly included: (selection: ObjectSelection, dependents: boolean) => IncludedObjects;
};

/** Dumps of one run that can be restored. */
export type DumpsToRestore = {
	/** The id of a location. */
	readonly location: string;
	/** For people. */
	readonly label: string;
	readonly run: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly dumps: readonly SourceDump[];
};

export type SourceDump = {
	readonly key: string;
	readonly database: string;
	/** Stored bytes; undefined if only a listing of the location would show them. */
	readonly bytes: number | undefined;
	/** custom, tar, directory or plain. */
	readonly format: string;
	readonly encrypted: boolean;
};

type Call = {readonly signal: AbortSignal; readonly secrets?: Secrets};

export type RestoreHandle = {
	/**
	 * Returns the dumps among these files. Rejects with NOTHING_TO_DO without any, and with USAGE for dumps of several
	 * runs.
	 */
	readonly dumpsToRestore: (
		location: string,
		keys: readonly string[],
		options: {readonly signal: AbortSignal},
	) => Promise<DumpsToRestore>;
	/** Returns the default target of a restore. */
	readonly defaultServer: () => TargetServer;
	/** Connects, and returns the state of the server. Rejects with CONNECTION and similar errors. */
	readonly inspectTarget: (server: TargetServer, options: {readonly signal: AbortSignal}) => Promise<TargetView>;
	/**
	 * Reads the table of contents of a dump, which is at its beginning, and what was recorded about it. The rest is not
	 * downloaded.
	 */
	readonly contentsOf: (location: string, key: string, options: Call) => Promise<DumpContents>;
	/** Undoes a replacement: the last replaced database gets its name back. `ended` as for a restore. */
	readonly swapBack: (name: string, server: TargetServer) => Promise<StartedRestore>;
	/** Drops a database that a failed restore kept for inspection, and no other. */
	readonly dropKept: (name: string, server: TargetServer) => Promise<void>;
	/** Returns the equivalent command line, without secrets. */
	readonly restoreCommand: (request: RestoreRequest) => string;
};

/** A restore that was being configured when the terminal was lost. Without secrets. Read back, nothing of it is proved. */
export type KeptDraft = {
	/** Which dumps, and what is to be done with them. */
	readonly key: string;
	/** For people: `app of 2026-11-22 04:00`. */
	readonly label: string;
	/** Milliseconds since the epoch: when it was kept. */
	readonly at: number;
	/** The fields of the form. */
	readonly values: Readonly<Record<string, string>>;
	readonly databases: readonly string[];
	readonly schemas: readonly string[];
	readonly objects: readonly (Pick<DumpObject, 'id' | 'name'> & {readonly schema?: string | undefined})[];
	readonly dependents: boolean;
};

/** Drafts that outlive the process, private to our user. */
export type DraftsHandle = {
	/** Returns those that can be read, the newest first; never rejects. */
	readonly keptDrafts: () => Promise<readonly KeptDraft[]>;
	/** Keeps drafts for a week. Rejects with FILE_SYSTEM if a file cannot be written, or others could read or change it. */
	readonly keepDrafts: (drafts: readonly KeptDraft[]) => Promise<void>;
	/** Removes a kept draft, if it is there. Rejects with FILE_SYSTEM. */
	readonly forgetDraft: (key: string) => Promise<void>;
};
