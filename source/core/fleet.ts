/** The fleet as front ends show it: one server or database each, and the texts that the table and the console share. Pure. */
import {formatBytes} from '../lib/format.js';

export type DatabaseView = {
	readonly database: string;
	/** Seconds since its last good dump started; absent when there is none that can be trusted. */
	readonly age?: number;
	readonly bytes: number;
	readonly seconds: number;
	readonly where?: string;
	/** Seconds since a drill last proved it. */
	readonly proven?: number;
	readonly error?: string;
};

export type Verdict = 'ok' | 'warning' | 'failed';

export type ServerView = {
	readonly server: string;
	readonly verdict: Verdict;
	/** For people, the worst first. */
	readonly reasons: readonly string[];
	/** The server cannot be relied on for backups: silent, hung, unreadable, or it never reported. */
	readonly lost?: string;
	/** The host that pg_back ran on. */
	readonly host?: string;
	/** The version of PostgreSQL. */
	readonly serverVersion?: string;
	readonly databases: readonly DatabaseView[];
	/** The last finished backup. */
	readonly last?: {readonly age: number; readonly exitCode: number; readonly outcome: string};
	/** The running backup. */
	readonly running?: {readonly age: number; readonly progress?: number; readonly estimated?: boolean};
};

/** What a table shows in front of a server. */
export type VerdictMarks = Readonly<Record<Verdict, string>>;

const unicodeMarks: VerdictMarks = {ok: ' ', warning: '!', failed: '✗'};
const asciiMarks: VerdictMarks = {ok: ' ', warning: '!', failed: 'x'};

export function verdictMarks(ascii: boolean): VerdictMarks {
	return ascii ? asciiMarks : unicodeMarks;
}

/** What is known of the databases of a server together. */
export type ServerTotals = {
	/** The one with the oldest good dump; absent when no database has one. */
	readonly oldest?: DatabaseView;
	/** Bytes of the last good dumps. */
	readonly bytes: number;
	/** Seconds since the database that was proven longest ago was; absent when one never was. */
	readonly proven?: number;
};

export function serverTotals({databases}: Pick<ServerView, 'databases'>): ServerTotals {
	const oldest = oldestOf(databases);
	const proven = databases.reduce((most, one) => Math.max(most, one.proven ?? Infinity), -Infinity);
	return {
		...(oldest && {oldest}),
		bytes: databases.reduce((sum, one) => sum + one.bytes, 0),
		...(Number.isFinite(proven) && {proven}),
	};
}

/** Returns the oldest of those with a good dump. */
export function oldestOf(databases: readonly DatabaseView[]): DatabaseView | undefined {
	let oldest: DatabaseView | undefined;
	for (const one of databases)
		if (one.age !== undefined && (oldest?.age === undefined || one.age > oldest.age)) oldest = one;
	return oldest;
}

/** The cells of a server. Names from outside are not escaped yet. */
export function serverTexts(view: ServerView) {
	const {oldest, bytes, proven} = serverTotals(view);
	return {
		databases: String(view.databases.length),
		oldest: oldest === undefined ? '-' : `${ageText(oldest.age ?? 0)} ${oldest.database}`,
		last: lastText(view),
		size: formatBytes(bytes),
		proven: provenText(proven),
		reasons: view.reasons.join('; '),
	} as const;
}

/** The cells of a database. Names from outside are not escaped yet. */
export function databaseTexts({age, bytes, proven, error, where}: DatabaseView) {
	return {
		age: age === undefined ? 'never' : ageText(age),
		error: error === undefined ? '' : `failed: ${error}`,
		size: formatBytes(bytes),
		proven: provenText(proven),
		where: where ?? '',
	} as const;
}

function lastText({last, running}: ServerView): string {
	if (running) {
		const {age, progress, estimated} = running;
		const done = progress === undefined ? '' : `, ${estimated === true ? '~' : ''}${Math.round(progress * 100)} %`;
		return `running ${ageText(age)}${done}`;
	}
	if (last === undefined) return '-';
	return `${last.exitCode === 0 ? 'ok' : `failed ${last.exitCode}`}, ${ageText(last.age)} ago`;
}

function provenText(seconds: number | undefined): string {
	return seconds === undefined ? 'never' : ageText(seconds);
}

/** Returns how many servers have each verdict. */
export function countVerdicts(views: readonly ServerView[]): Readonly<Record<Verdict, number>> {
	const counts = {ok: 0, warning: 0, failed: 0};
	for (const {verdict} of views) counts[verdict]++;
	return counts;
}

/** Returns seconds as `12m`, `41h` or `9d`: hours are used as long as they can be compared with a limit in hours. */
export function ageText(seconds: number): string {
	if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
	if (seconds < 100 * 3600) return `${Math.floor(seconds / 3600)}h`;
	return `${Math.floor(seconds / 86_400)}d`;
}
