/**
 * The names of all files that a run leaves: formats and parses them. `NAME_TIME.SUFFIX`, then up to three of `.shaN`
 * and `.age`; `NAME` is an encoded database name or one of the special names.
 */
import {join} from 'node:path';
import {type ChecksumAlgorithm, checksumAlgorithms} from '../core/formats.js';
import type {CompressedSuffix} from '../lib/compression.js';
import {decodeRaw, encodeRaw} from '../lib/raw-text.js';
import {formatTimestamp, parseTimestamp, type TimestampFormat, timestampSource} from '../lib/time.js';

/** The subject of a file: a database, one of the server-wide outputs, or the run itself. */
export type Subject =
	| {readonly kind: 'database'; readonly name: string}
	| {readonly kind: 'globals' | 'settings' | 'hba' | 'ident' | 'run'};

export type FileSuffix = 'sql' | 'dump' | 'tar' | 'd' | 'out' | 'createdb.sql' | 'lock' | RunSuffix;
/** The manifest, the private manifest, the results of restore drills, and the pin. */
export type RunSuffix = 'manifest.json' | 'private.json.age' | 'proven.json' | 'pinned.json';

const specialTexts = {
	globals: 'pg_globals',
	settings: 'pg_settings',
	hba: 'hba_file',
	ident: 'ident_file',
	run: 'pg_back',
} as const;
const reserved = new Map<string, Subject>(
	(['globals', 'settings', 'hba', 'ident'] as const).map(kind => [specialTexts[kind], {kind}]),
);

/** Returns the text for the subject in a file name, which also replaces `{dbname}` in the backup directory. */
export function subjectText(subject: Subject): string {
	return subject.kind === 'database' ? encodeDatabaseName(subject.name) : specialTexts[subject.kind];
}

/**
 * Encodes a database name for a file name, injectively: letters, digits, `_`, `.` and `-` are kept, every other byte of
 * its UTF-8 form becomes `%XX`, and so do a first `.` and the first byte of a name that is reserved for a special
 * output. At most three times as long.
 */
export function encodeDatabaseName(name: string): string {
	let text = '';
	for (const byte of encodeRaw(name)) {
		const character = String.fromCharCode(byte);
		const plain = text === '' ? /[\w-]/ : /[\w.-]/;
		text += plain.test(character) ? character : escapeByte(byte);
	}
	return reserved.has(text) ? escapeByte(text.charCodeAt(0)) + text.slice(1) : text;
}

/** Decodes a name; undefined for a text that `encodeDatabaseName` never returns. */
export function decodeDatabaseName(text: string): string | undefined {
	if (!/^(?:[\w.-]|%[0-9A-F]{2})+$/.test(text)) return undefined;
	const bytes = text.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
	const name = decodeRaw(Buffer.from(bytes, 'latin1'));
	// Early versions escaped a leading `-`.
	return encodeDatabaseName(name) === text.replace(/^%2D/, '-') ? name : undefined;
}

/** Returns the form of a database name in pg_back 2.x: a slash became `_`, and a leading dot was prefixed by `_`. */
export function legacyDatabaseName(name: string): string {
	return (name.startsWith('.') ? `_${name}` : name).replaceAll('/', '_');
}

function escapeByte(byte: number): string {
	return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Returns the backup directory of a subject: every `{dbname}` in the template replaced, the path normalized. */
export function directoryFor(template: string, subject: Subject): string {
	return directoryForText(template, subjectText(subject));
}

/** Does the same for the text of a subject in file names. */
export function directoryForText(template: string, text: string): string {
	const cleaned = join(template.replaceAll('{dbname}', () => text));
	return cleaned.length > 1 && cleaned.endsWith('/') ? cleaned.slice(0, -1) : cleaned;
}

export type FileNameParts = {
	/** The backup directory as configured, including `{dbname}`. */
	readonly directory: string;
	readonly subject: Subject;
	/** Undefined omits the time (for locks). */
	readonly time: Date | undefined;
	readonly timestampFormat: TimestampFormat;
	readonly suffix: FileSuffix;
	/** Appended to a compressed plain dump; ignored for other files. */
	readonly compressed?: CompressedSuffix | undefined;
	/** For the run's own files: the shard of a divided run that wrote it. */
	readonly shard?: ShardName | undefined;
};

/** A shard of a divided run, as in the names of its manifest and of the files that belong to it. */
export type ShardName = {
	/** From 1 on. */
	readonly index: number;
	readonly of: number;
	/** From 1: a repeated shard writes another manifest if the first is not complete. */
	readonly attempt: number;
};

function shardText({index, of, attempt}: ShardName): string {
	return `shard-${index}-of-${of}${attempt > 1 ? `.${attempt}` : ''}.`;
}

/**
 * Returns `DIRECTORY/NAME_TIME.SUFFIX`, for a plain dump with `.gz`, `.lz4` or `.zst`, or `DIRECTORY/NAME.SUFFIX`
 * without a time.
 */
export function fileName(parts: FileNameParts): string {
	const time = parts.time === undefined ? '' : `_${formatTimestamp(parts.time, parts.timestampFormat)}`;
	const suffix = parts.suffix === 'sql' && parts.compressed ? `sql.${parts.compressed}` : parts.suffix;
	const shard = parts.shard ? shardText(parts.shard) : '';
	return join(directoryFor(parts.directory, parts.subject), `${subjectText(parts.subject)}${time}.${shard}${suffix}`);
}

export type ParsedName = {
	/**
	 * Decoded. For a name that only pg_back 2.x can have written (with a space, for example), the database is the text
	 * itself, which is a guess: 2.x wrote `a/b` and `a_b` alike.
	 */
	readonly subject: Subject;
	/** The text of the subject in the file name. */
	readonly subjectText: string;
	/** The text of the time in the file name: files of one subject with the same text are one dump. */
	readonly timeText: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	/** `sql`, `sql.gz` and so on, `dump`, `tar`, `d`, `out`, `createdb.sql`, or one of the run's own, without `.age`. */
	readonly suffix: ParsedSuffix;
	/** Whether the file is encrypted or, for a checksum file, the file that it belongs to. */
	readonly encrypted: boolean;
	/** The algorithm of a checksum file, also of an encrypted one. */
	readonly checksum?: ChecksumAlgorithm;
	/** The path of the file inside a directory dump. */
	readonly member?: string;
	/** For the run's own files: the shard of a divided run that wrote it. */
	readonly shard?: ShardName;
};

export type ParsedSuffix =
	| 'sql'
	| `sql.${CompressedSuffix}`
	| 'dump'
	| 'tar'
	| 'd'
	| 'out'
	| 'createdb.sql'
	| 'manifest.json'
	| 'private.json'
	| 'proven.json'
	| 'pinned.json';

// A greedy first group and everything after it of bounded length: linear in the length of the name.
const sum = String.raw`\.sha(?:1|224|256|384|512)`;
const namePattern = new RegExp(
	String.raw`^(?<subject>[^./][^/]*)_(?<time>${timestampSource})\.(?:` +
		String.raw`(?<suffix>createdb\.sql|sql\.(?:gz|lz4|zst)|sql|dump|tar|d|out)(?<chain>(?:${sum})?(?:\.age(?:${sum})?)?)` +
		String.raw`|(?:shard-(?<index>[1-9]\d{0,4})-of-(?<of>[1-9]\d{0,4})(?:\.(?<attempt>[1-9]\d{0,3}))?\.(?=manifest|private))?` +
		String.raw`(?<run>manifest\.json|private\.json(?=\.age$)|proven\.json|pinned\.json)(?:\.age)?)$`,
	's',
);

/**
 * Parses a file name, or the path of a member of a directory dump (`NAME_TIME.d/toc.dat`); the directories above must
 * be removed before. Returns undefined for every name that pg_back does not write.
 */
export function parseFileName(name: string): ParsedName | undefined {
	const slash = name.indexOf('/');
	if (slash !== -1) return parseMember(name.slice(0, slash), name.slice(slash + 1));
	const groups = namePattern.exec(name)?.groups;
	const {subject: text, time: timeText, suffix, chain, run, index, of, attempt = '1'} = groups ?? {};
	if (text === undefined || timeText === undefined) return undefined;
	const time = parseTimestamp(timeText);
	if (time === undefined) return undefined;
	if (run !== undefined) {
		const shard = index === undefined ? undefined : {index: Number(index), of: Number(of), attempt: Number(attempt)};
		const parts = {subjectText: text, timeText, time, suffix: run as ParsedSuffix};
		return parseRunFile(name, {...parts, ...(shard && {shard})});
	}
	if (suffix === 'd' && chain === '.age') return undefined; // a directory is encrypted member by member
	return {
		subject: subjectOf(text),
		subjectText: text,
		timeText,
		time,
		suffix: suffix as ParsedSuffix,
		encrypted: chain?.includes('.age') ?? false,
		checksum: checksumAlgorithms.find(algorithm => chain?.includes(`.${algorithm}`)),
	};
}

function parseRunFile(
	name: string,
	parts: Pick<ParsedName, 'subjectText' | 'timeText' | 'time' | 'suffix' | 'shard'>,
): ParsedName | undefined {
	const encrypted = name.endsWith('.age');
	if (parts.subjectText !== specialTexts.run || encrypted !== (parts.suffix === 'private.json')) return undefined;
	return {subject: {kind: 'run'}, ...parts, encrypted};
}

function parseMember(directory: string, member: string): ParsedName | undefined {
	const parsed = parseFileName(directory);
	if (!isDumpDirectory(parsed)) return undefined;
	if (member.split('/').some(part => part === '' || part === '.' || part === '..')) return undefined;
	return {...parsed, encrypted: member.endsWith('.age'), member};
}

function isDumpDirectory(parsed: ParsedName | undefined): parsed is ParsedName {
	return parsed?.suffix === 'd' && parsed.checksum === undefined;
}

/** The subjects of recent names: a listing has few, each with many dumps. */
const recentSubjects = new Map<string, Subject>(reserved);
const mostSubjects = 10_000;

function subjectOf(text: string): Subject {
	const known = recentSubjects.get(text);
	if (known) return known;
	if (recentSubjects.size >= mostSubjects) {
		recentSubjects.clear();
		for (const [special, subject] of reserved) recentSubjects.set(special, subject);
	}
	const subject: Subject = {kind: 'database', name: decodeDatabaseName(text) ?? text};
	// A copy: a slice of a page's text would keep the whole page in memory.
	recentSubjects.set(Buffer.from(text).toString(), subject);
	return subject;
}

/** Returns the path or key of the dump that a file belongs to: the directory of `member`, or the file itself. */
export function dumpPath(path: string, member: string | undefined): string {
	return member === undefined ? path : path.slice(0, -member.length - 1);
}

/** Returns the path or key of the dump that this one is or belongs to. */
export function dumpOf(path: string): string {
	return dumpPath(path, parsePath(path)?.member);
}

/**
 * Parses a path or a remote key with directories in front: the last part, or the directory dump that contains it.
 * `directory` is the part before, with its slash.
 */
export function parsePath(path: string): (ParsedName & {readonly directory: string}) | undefined {
	const start = path.lastIndexOf('/') + 1;
	const parsed = parseFileName(path.slice(start));
	if (parsed) return {...parsed, directory: path.slice(0, start)};
	let end = start - 1;
	while (end > 0) {
		const from = path.lastIndexOf('/', end - 1) + 1;
		if (isDumpDirectory(parseFileName(path.slice(from, end)))) {
			const member = parseFileName(path.slice(from));
			return member && {...member, directory: path.slice(0, from)};
		}
		end = from - 1;
	}
	return undefined;
}

/**
 * Returns the texts of a subject in file names: its own, and the one of pg_back 2.x, unless it could belong to another
 * subject. `databases` are all databases of the server.
 */
export function subjectTexts(subject: Subject, databases: readonly string[]): readonly string[] {
	const own = subjectText(subject);
	if (subject.kind !== 'database') return [own];
	const old = legacyDatabaseName(subject.name);
	const claimed = (other: string) => legacyDatabaseName(other) === old || encodeDatabaseName(other) === old;
	if (old === own || reserved.has(old)) return [own];
	return databases.some(other => other !== subject.name && claimed(other)) ? [own] : [own, old];
}
