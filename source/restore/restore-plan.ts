/** The plan of a restore, as one object that the dry run prints, the run executes and the console shows. No I/O. */
import {createHash} from 'node:crypto';
import type {RestoreFinding, RestoreServer, RestoreSource} from '../core/restore.js';
import {compactTime} from '../lib/local-time.js';
import type {Closure} from '../postgres/archive-closure.js';
import type {ArchiveToc} from '../postgres/archive-toc.js';
import type {Tool} from '../postgres/tools.js';
import type {Dump} from '../repository/dump-items.js';
import type {ArchiveNeeds} from './archive-facts.js';
import type {DatabaseDefinition} from './database-definition.js';
import type {RewrittenSubscription} from './rewritten-subscription.js';
import type {RolePlan} from './roles.js';

export type Finding = RestoreFinding;

/**
 * How the dump is read. `in place`: from its path. `file`: downloaded and decrypted first. `stream`: loaded during the
 * download. `members`: a directory dump, loaded table by table during the download. `psql`: a plain dump, which is
 * always streamed.
 */
export type Road = 'in place' | 'file' | 'stream' | 'members' | 'psql';

export type DumpFormat = 'custom' | 'directory' | 'tar' | 'plain';

/** A dump with what was read of it before planning. */
export type PreparedDump = {
	readonly dump: Dump;
	readonly format: DumpFormat;
	readonly encrypted: boolean;
	/** Stored bytes. */
	readonly bytes: number;
	/** Undefined for a plain dump. */
	readonly toc: ArchiveToc | undefined;
	/** Undefined if the dump has no definition of its database. */
	readonly definition: DatabaseDefinition | undefined;
	readonly needs: ArchiveNeeds;
	/** It contains nothing that a new database does not have. */
	readonly isEmpty: boolean;
	/** Problems found while reading it: a locale that the server does not have, psql commands in a plain dump. */
	readonly findings: readonly Finding[];
	/** With --only: what is restored into the existing database. */
	readonly closure: Closure | undefined;
};

export type DatabasePlan = {
	readonly prepared: PreparedDump;
	/** The final name. */
	readonly target: string;
	/** The name while it is filled. */
	readonly hidden: string;
	/**
	 * `only`: objects are restored into the existing database. `replace`: the present database is renamed to `previous`.
	 */
	readonly mode: 'create' | 'replace' | 'skip' | 'only';
	readonly previous: string | undefined;
	readonly definition: DatabaseDefinition;
	readonly road: Road;
	/** Why a directory dump must be a file first, for people; absent if it was chosen. */
	readonly fileBecause?: string | undefined;
	readonly jobs: number;
	readonly pgRestore: Tool | undefined;
	/** Dump IDs of the entries to restore; undefined: all. */
	readonly entries: readonly number[] | undefined;
	/** Not among the entries: created after them. */
	readonly rewritten: readonly RewrittenSubscription[];
};

export type RestorePlan = {
	readonly source: RestoreSource;
	readonly target: RestoreServer;
	readonly roles: RolePlan;
	readonly databases: readonly DatabasePlan[];
	readonly findings: readonly Finding[];
};

/** Returns the existing databases that will be replaced. */
export function replacedBy({databases}: Pick<RestorePlan, 'databases'>): readonly string[] {
	return databases.flatMap(({mode, target}) => (mode === 'replace' ? [target] : []));
}

const longestName = 63;

/** Returns the longest prefix of `name` with at most this many bytes, without splitting a character. */
export function cutToBytes(name: string, bytes: number): string {
	let text = '';
	let size = 0;
	for (const character of name) {
		size += Buffer.byteLength(character);
		if (size > bytes) break;
		text += character;
	}
	return text;
}

/**
 * Returns `app.pgbk-k3x9q2`, the name of a database that is being restored; with `drill-` before the tag for a drill in
 * a given server.
 */
export function hiddenName(target: string, tag: string): string {
	const suffix = `.pgbk-${tag}`;
	const most = longestName - suffix.length;
	if (Buffer.byteLength(target) <= most) return `${target}${suffix}`;
	// Two long names may have the same beginning.
	const digest = createHash('sha256').update(target).digest('hex').slice(0, 8);
	return `${cutToBytes(target, most - digest.length - 1)}-${digest}${suffix}`;
}

/** Returns the tag of a hidden database; undefined for other names. */
export function hiddenTag(name: string): string | undefined {
	return /\.pgbk-([a-z0-9]{6})$/.exec(name)?.[1];
}

/** Returns `app_before_20261128T174500`. */
export function previousName(target: string, time: Date, taken: Pick<ReadonlySet<unknown>, 'has'>): string {
	const suffix = `_before_${compactTime(time)}`;
	const name = `${cutToBytes(target, longestName - suffix.length)}${suffix}`;
	// Another replacement in the same second, or one whose shortened name is the same.
	return taken.has(name) ? previousName(target, new Date(time.getTime() + 1000), taken) : name;
}

/** Returns the time in such a name, in milliseconds since the epoch. */
export function previousTime(name: string): number {
	const [, ...numbers] = /_before_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)$/.exec(name) ?? [];
	const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = numbers.map(Number);
	return new Date(year, month - 1, day, hour, minute, second).getTime();
}

/** Returns whether such a name belongs to the database `target`: shortened names have lost their end. */
export function isPreviousOf(name: string, target: string): boolean {
	const base = /^(.*)_before_\d{8}T\d{6}$/s.exec(name)?.[1];
	return base !== undefined && base === cutToBytes(target, longestName - '_before_00000000T000000'.length);
}
