/**
 * The names of all files that a run leaves: printing them, and reading them back. `NAME_TIME.SUFFIX`, then up to three of
 * `.shaN` and `.age`; `NAME` is an encoded database name or one of the special names.
 */
import {join} from 'node:path';
import {checksumAlgorithms, type ChecksumAlgorithm} from '../core/formats.js';
import type {CompressedSuffix} from '../lib/compression.js';
import {formatTimestamp, parseTimestamp, timestampSource, type TimestampFormat} from '../lib/time.js';

/** What a file is about: a database, one of the outputs that belong to the whole server, or the run itself. */
export type Subject =
	| {readonly kind: 'database'; readonly name: string}
	| {readonly kind: 'globals' | 'settings' | 'hba' | 'ident' | 'run'};

export type FileSuffix = 'sql' | 'dump' | 'tar' | 'd' | 'out' | 'createdb.sql' | 'lock' | RunSuffix;
/** The manifest, its encrypted companion, and what the last restore drill proved. */
export type RunSuffix = 'manifest.json' | 'private.json.age' | 'proven.json';

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

/** The part of a file name that stands for the subject, and what `{dbname}` in the backup directory becomes. */
export function subjectText(subject: Subject): string {
	return subject.kind === 'database' ? encodeDatabaseName(subject.name) : specialTexts[subject.kind];
}

/**
 * A database name as a part of a file name, injective: letters, digits, `_`, `.` and `-` stay, every other byte of its UTF-8
 * form becomes `%XX`, and so do a first `.` or `-` and the first byte of a name that is reserved for a special output. At
 * most three times as long.
 */
export function encodeDatabaseName(name: string): string {
	let text = '';
	for (const byte of Buffer.from(name)) {
		const character = String.fromCharCode(byte);
		const plain = text === '' ? /[\w]/ : /[\w.-]/;
		text += plain.test(character) ? character : escapeByte(byte);
	}
	return reserved.has(text) ? escapeByte(text.charCodeAt(0)) + text.slice(1) : text;
}

/** The inverse: undefined for a text that `encodeDatabaseName` never gives. */
export function decodeDatabaseName(text: string): string | undefined {
	if (!/^(?:[\w.-]|%[0-9A-F]{2})+$/.test(text)) return undefined;
	const bytes = text.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
	const name = Buffer.from(bytes, 'latin1').toString();
	return encodeDatabaseName(name) === text ? name : undefined;
}

/** What pg_back 2.x made of a database name: a slash became `_`, and a first dot got a `_` in front. */
export function legacyDatabaseName(name: string): string {
	return (name.startsWith('.') ? `_${name}` : name).replaceAll('/', '_');
}

function escapeByte(byte: number): string {
	return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** The backup directory of a subject: every `{dbname}` in the template replaced, the path cleaned. */
export function directoryFor(template: string, subject: Subject): string {
	return directoryForText(template, subjectText(subject));
}

/** The same for a text that stands for a subject in file names. */
export function directoryForText(template: string, text: string): string {
	const cleaned = join(template.replaceAll('{dbname}', () => text));
	return cleaned.length > 1 && cleaned.endsWith('/') ? cleaned.slice(0, -1) : cleaned;
}

export type FileNameParts = {
	/** The backup directory as configured, `{dbname}` and all. */
	readonly directory: string;
	readonly subject: Subject;
	/** Undefined leaves the time out (locks). */
	readonly time: Date | undefined;
	readonly timestampFormat: TimestampFormat;
	readonly suffix: FileSuffix;
	/** Appended to a plain dump that is compressed; means nothing for the others. */
	readonly compressed?: CompressedSuffix | undefined;
};

/** `DIRECTORY/NAME_TIME.SUFFIX`, for a plain dump with `.gz`, `.lz4` or `.zst`, or `DIRECTORY/NAME.SUFFIX` without a time. */
export function fileName(parts: FileNameParts): string {
	const time = parts.time === undefined ? '' : `_${formatTimestamp(parts.time, parts.timestampFormat)}`;
	const suffix = parts.suffix === 'sql' && parts.compressed ? `sql.${parts.compressed}` : parts.suffix;
	return join(directoryFor(parts.directory, parts.subject), `${subjectText(parts.subject)}${time}.${suffix}`);
}

export type ParsedName = {
	/**
	 * Decoded. For a name that only pg_back 2.x can have written (with a blank, say), the database is the text itself, which is
	 * a guess: 2.x wrote `a/b` and `a_b` alike.
	 */
	readonly subject: Subject;
	/** As it stands in the file name. */
	readonly subjectText: string;
	/** As it stands in the file name: files of one subject with the same text are one dump. */
	readonly timeText: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	/** `sql`, `sql.gz` and the like, `dump`, `tar`, `d`, `out`, `createdb.sql`, or one of the run's own, without `.age`. */
	readonly suffix: ParsedSuffix;
	/** Of the bytes that the file has, or of those that it is the checksum of. */
	readonly encrypted: boolean;
	/** The algorithm, for the checksum of a file; a checksum that is encrypted has it too. */
	readonly checksum?: ChecksumAlgorithm;
	/** The path of the file inside a directory dump. */
	readonly member?: string;
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
	| 'proven.json';

// Greedy first group and everything after it of bounded length: linear in the length of the name.
const sum = String.raw`\.sha(?:1|224|256|384|512)`;
const namePattern = new RegExp(
	String.raw`^(?<subject>[^./][^/]*)_(?<time>${timestampSource})\.(?:` +
		String.raw`(?<suffix>createdb\.sql|sql\.(?:gz|lz4|zst)|sql|dump|tar|d|out)(?<chain>(?:${sum})?(?:\.age(?:${sum})?)?)` +
		String.raw`|(?<run>manifest\.json|private\.json(?=\.age$)|proven\.json)(?:\.age)?)$`,
	's',
);

/**
 * Reads a file name, or the path of a member of a directory dump (`NAME_TIME.d/toc.dat`); the directories above must be
 * taken off before. Undefined for every name that is not, as a whole, one that pg_back writes.
 */
export function parseFileName(name: string): ParsedName | undefined {
	const slash = name.indexOf('/');
	if (slash !== -1) return parseMember(name.slice(0, slash), name.slice(slash + 1));
	const groups = namePattern.exec(name)?.groups;
	const {subject: text, time: timeText, suffix, chain, run} = groups ?? {};
	if (text === undefined || timeText === undefined) return undefined;
	const time = parseTimestamp(timeText);
	if (time === undefined) return undefined;
	if (run !== undefined) return parseRunFile(text, timeText, time, run as ParsedSuffix, name);
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
	text: string,
	timeText: string,
	time: number,
	suffix: ParsedSuffix,
	name: string,
): ParsedName | undefined {
	const encrypted = name.endsWith('.age');
	if (text !== specialTexts.run || encrypted !== (suffix === 'private.json')) return undefined;
	return {subject: {kind: 'run'}, subjectText: text, timeText, time, suffix, encrypted};
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

function subjectOf(text: string): Subject {
	return reserved.get(text) ?? {kind: 'database', name: decodeDatabaseName(text) ?? text};
}

/**
 * The same for a path or a remote key with directories in front: the last part that is one of our names counts, or the
 * directory dump that the last part lies in. `directory` is what stands before, with its slash.
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
 * The texts under which files of a subject may stand: its own, and the one that pg_back 2.x gave it, provided that no other
 * subject can have a claim to that. `databases` are all that the server has.
 */
export function subjectTexts(subject: Subject, databases: readonly string[]): readonly string[] {
	const own = subjectText(subject);
	if (subject.kind !== 'database') return [own];
	const old = legacyDatabaseName(subject.name);
	const claimed = (other: string) => legacyDatabaseName(other) === old || encodeDatabaseName(other) === old;
	if (old === own || reserved.has(old)) return [own];
	return databases.some(other => other !== subject.name && claimed(other)) ? [own] : [own, old];
}
