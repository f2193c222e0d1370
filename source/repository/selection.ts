/**
 * Selects the files of a place by the patterns of a command line: one rule for list, download, decrypt, verify, drill
 * and restore. A pattern selects files and whole dumps by name, or else databases by name. Hidden files are never
 * selected.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {compileGlob} from '../lib/glob.js';
import {isHidden} from '../lib/hidden.js';
import {dumpPath, type ParsedName, parsePath} from '../retention/names.js';
import type {Task} from '../runs/scheduler.js';
import type {Place} from './place.js';

export type Candidate = {
	/** Relative to the place. */
	readonly path: string;
	/** Bytes. */
	readonly size: number;
};

export type SelectionOptions = {
	/** The beginning of every key of the place (`upload_prefix`); patterns may contain the full key. */
	readonly prefix?: string;
	/** The directory of the place; a pattern may be a path below it, as completed by a shell. */
	readonly directory?: string;
	/**
	 * What a database name selects. `all`: every file of it, for commands that only read. `newest`: its newest good dump,
	 * with the files that belong to it.
	 */
	readonly databases: 'all' | 'newest';
	/** False: only `add` is called, because the listing may not fit in memory. */
	readonly keep?: boolean;
};

/** Decides whether a dump is complete, by its manifest and its size. */
export type IsGood = (dump: string, files: readonly Candidate[]) => boolean;

export type Selected<T> = {
	readonly items: readonly T[];
	/** The patterns that matched nothing. */
	readonly unmatched: readonly string[];
};

/** Accepts a listing of any length with `add`, and keeps the matching items. */
export class Selection<T extends Candidate> {
	readonly #options: SelectionOptions;
	readonly #all: T[] = [];
	readonly #patterns: readonly PatternMatches<T>[];
	readonly #keep: boolean;
	#seen = 0;

	/** Without patterns everything is selected. Throws USAGE for malformed patterns. */
	constructor(patterns: readonly string[], options: SelectionOptions) {
		this.#options = options;
		this.#keep = options.keep ?? true;
		this.#patterns = patterns.map(pattern => ({
			pattern,
			...compile(pattern, options.directory),
			files: [],
			databases: [],
		}));
	}

	/** The number of files considered, without hidden ones. */
	get seen(): number {
		return this.#seen;
	}

	/** Returns true when the file may be selected; hidden files never are. */
	add(item: T): boolean {
		if (isHidden(item.path)) return false;
		this.#seen++;
		if (this.#patterns.length === 0) {
			if (this.#keep) this.#all.push(item);
			return true;
		}
		const names = namesOf(item.path, this.#options.prefix);
		let taken = false;
		for (const one of this.#patterns) {
			const isFile = names.file.some(name => one.takes(name));
			if (!isFile && !(names.database !== undefined && one.takes(names.database))) continue;
			const kept = isFile ? one.files : one.databases;
			if (this.#keep || kept.length === 0) kept.push(item);
			taken = true;
		}
		return taken;
	}

	/** `isGood` is called for dumps of the named databases, newest first. */
	result(isGood: IsGood = () => true): Selected<T> {
		if (this.#patterns.length === 0) return {items: this.#all, unmatched: []};
		const items = new Set<T>();
		const unmatched: string[] = [];
		for (const {pattern, files, databases} of this.#patterns) {
			const chosen =
				files.length > 0 || this.#options.databases === 'all' ? [...files, ...databases] : newest(databases, isGood);
			if (chosen.length === 0) unmatched.push(pattern);
			for (const item of chosen) items.add(item);
		}
		return {items: [...items], unmatched};
	}

	/** Returns true when a pattern matched only databases, no file: then `isGood` is needed. */
	get namesDatabases(): boolean {
		return this.#patterns.some(one => one.files.length === 0 && one.databases.length > 0);
	}
}

type PatternMatches<T> = Matcher & {
	readonly pattern: string;
	readonly files: T[];
	readonly databases: T[];
};

type Matcher = {readonly takes: (name: string) => boolean};

function compile(pattern: string, directory: string | undefined): Matcher {
	const glob = compileGlob(pattern);
	if (!glob) {
		throw new PgBackError('USAGE', `malformed pattern ${display(pattern)}`, {
			hint: 'escape a literal [ ] * ? with a backslash',
		});
	}
	const plain = withoutDirectory(pattern, directory);
	const relative = plain === pattern ? glob : (compileGlob(plain) ?? glob);
	return {takes: name => name === pattern || name === plain || glob(name) || relative(name)};
}

/** Removes `./`, a trailing slash and the directory of the place, as completed by a shell: `./app_…`, `app_….d/`. */
function withoutDirectory(pattern: string, directory: string | undefined): string {
	const base = directory === undefined ? '' : `${directory.replace(/\/+$/, '')}/`;
	const inner = base.length > 1 && pattern.startsWith(base) ? pattern.slice(base.length) : pattern;
	return inner.replace(/^(?:\.\/)+/, '').replace(/(?<=[^/])\/+$/, '');
}

type Names = {
	/** The texts that a pattern for files is compared with. */
	readonly file: readonly string[];
	/** The exact name of the database, or the subject of a server-wide file. */
	readonly database: string | undefined;
};

function namesOf(path: string, prefix = ''): Names {
	const parsed = parsePath(path);
	if (!parsed) return {file: [path, `${prefix}${path}`], database: undefined};
	const dump = dumpPath(path, parsed.member);
	const base = dump.slice(parsed.directory.length);
	const name = databaseOf(parsed);
	const decoded = `${name ?? parsed.subjectText}${base.slice(parsed.subjectText.length)}`;
	return {
		file: [path, `${prefix}${path}`, dump, `${prefix}${dump}`, base, decoded],
		database: name,
	};
}

function databaseOf({subject, subjectText}: ParsedName): string | undefined {
	if (subject.kind === 'run') return undefined;
	return subject.kind === 'database' ? subject.name : subjectText;
}

/** Returns the files of each database's newest good dump; if none is good, of its newest dump. */
function newest<T extends Candidate>(items: readonly T[], isGood: IsGood): T[] {
	const parsed = items.flatMap(item => {
		const name = parsePath(item.path);
		return name ? [{item, name}] : [];
	});
	const byDatabase = Map.groupBy(parsed, ({name}) => databaseOf(name));
	return [...byDatabase.values()].flatMap(all => {
		const dumps = [
			...Map.groupBy(all, ({name}) => `${name.directory}\0${name.subjectText}\0${name.timeText}`).values(),
		].toSorted((a, b) => (b[0]?.name.time ?? 0) - (a[0]?.name.time ?? 0));
		const good = dumps.find(files => hasGoodDump(files, isGood));
		return (good ?? dumps.find(files => files.some(isDump)) ?? []).map(({item}) => item);
	});
}

type Parsed<T> = {readonly item: T; readonly name: ParsedName};

function isDump<T>({name}: Parsed<T>): boolean {
	return name.checksum === undefined && name.suffix !== 'createdb.sql';
}

function hasGoodDump<T extends Candidate>(files: readonly Parsed<T>[], isGood: IsGood): boolean {
	const dumps = Map.groupBy(files.filter(isDump), ({item, name}) => dumpPath(item.path, name.member));
	return [...dumps].some(([dump, members]) =>
		isGood(
			dump,
			members.map(({item}) => item),
		),
	);
}

/** Returns the error for a pattern that matched nothing; exit status 1. */
export function nothingMatches(pattern: string, label: string, seen: number, noun = 'file'): PgBackError {
	return new PgBackError(
		'NOTHING_TO_DO',
		`nothing at ${display(label)} matches ${display(pattern)}: searched ${plural(seen, noun)}`,
		{
			hint: 'a pattern is the name of a file or of a database; * matches any characters except /',
		},
	);
}

/** Returns a job that fails with that error, so that the other patterns are still processed. */
export function unmatchedTask(
	kind: 'decrypt' | 'download' | 'verify' | 'restore',
	pattern: string,
	problem: PgBackError,
): Task {
	return {
		plan: {id: `${kind}:?${pattern}`, kind, name: pattern, stages: [kind]},
		run: () => Promise.reject(problem),
	};
}

/** Returns the options for a place. */
export function selectionOptions(place: Place, databases: SelectionOptions['databases']): SelectionOptions {
	const prefix = place.remote?.prefix;
	const directory = place.localPath?.('');
	return {databases, ...(prefix !== undefined && {prefix}), ...(directory !== undefined && {directory})};
}
