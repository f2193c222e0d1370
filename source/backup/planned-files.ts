/** Returns the names of an output's files, locally and at the remote. Pure. */
import type {Configuration} from '../config/configuration.js';
import type {FileRole} from '../core/events.js';
import type {DumpFormat} from '../core/formats.js';
import type {Tools} from '../postgres/tools.js';
import {fileName, type FileSuffix, type Subject} from '../retention/names.js';
import {compressedSuffix, dumpSuffixes, needsCreateFile} from '../stages/dump-arguments.js';
import {sendingOf} from './sending.js';

export type PlannedFile = {
	readonly role: FileRole;
	/** The local path. */
	readonly path: string;
	/** The key at the remote, or at each of several, if it is uploaded. */
	readonly key?: string;
	/** True when the local file is removed after its upload. */
	readonly leaves?: true;
	/** True when no local file is written: the bytes go to `key` only, and `path` only names them. */
	readonly streamed?: true;
};

export type OutputNames = {
	readonly subject: Subject;
	readonly format?: DumpFormat;
	readonly compression?: string | undefined;
	/** The algorithm of the checksum files, or `none`. */
	readonly checksum?: string;
	/** For the manifest: it has an encrypted private manifest. */
	readonly encrypted?: boolean;
};

type Context = {
	readonly configuration: Configuration;
	readonly tools: Pick<Tools, 'pgDump'>;
	readonly start: number;
	readonly places?: readonly {readonly keyFor: (path: string) => string}[];
};

/** Returns the dump, then its companions, then the checksum files. A directory dump is one name. */
export function plannedFiles(context: Context, names: OutputNames): PlannedFile[] {
	const {settings} = context.configuration;
	const {subject} = names;
	if (subject.kind === 'run') {
		const suffixes = ['manifest.json', ...(names.encrypted ? (['private.json.age'] as const) : [])] as const;
		return suffixes.map(suffix => placed(context, 'manifest', pathOf(context, subject, suffix)));
	}
	if (subject.kind !== 'database') {
		const suffix = subject.kind === 'globals' ? 'sql' : 'out';
		return withChecksums(context, names, [{role: subject.kind, path: pathOf(context, subject, suffix)}]);
	}
	const format = names.format ?? 'custom';
	const suffix = dumpSuffixes[format] as 'sql' | 'dump' | 'tar' | 'd';
	const compressed = compressedSuffix(format, names.compression);
	const createdb =
		needsCreateFile(context.tools.pgDump.version, format) && !settings.dumpOnly && subject.name !== 'template0';
	return withChecksums(context, names, [
		{role: 'dump', path: pathOf(context, subject, suffix, compressed), isDirectory: format === 'directory'},
		...(createdb ? [{role: 'createdb', path: pathOf(context, subject, 'createdb.sql')} as const] : []),
	]);
}

type Plain = {readonly role: FileRole; readonly path: string; readonly isDirectory?: boolean};

function withChecksums(context: Context, {checksum = 'none'}: OutputNames, plain: readonly Plain[]): PlannedFile[] {
	const {settings} = context.configuration;
	const {encrypt, encryptKeepSource} = settings;
	const sending = sendingOf(
		settings,
		plain.some(({isDirectory}) => isDirectory),
	);
	const dumps = plain.flatMap(({role, path, isDirectory}) => {
		if (!encrypt || isDirectory) return [placed(context, role, path, sending)];
		return [placed(context, role, `${path}.age`, sending), ...(encryptKeepSource ? [{role, path}] : [])];
	});
	if (checksum === 'none') return dumps;
	const tails = encrypt
		? [
				`.age.${checksum}`,
				`.${checksum}.age`,
				`.${checksum}.age.${checksum}`,
				...(encryptKeepSource ? [`.${checksum}`] : []),
			]
		: [`.${checksum}`];
	return [
		...dumps,
		...plain.flatMap(({path}) => tails.map(tail => placed(context, 'checksum', `${path}${tail}`, sending))),
	];
}

function placed(
	{configuration: {settings}, places}: Context,
	role: FileRole,
	path: string,
	sending = sendingOf(settings, false),
): PlannedFile {
	const [place] = places ?? [];
	if (!place) return {role, path};
	const isSentMeanwhile = sending !== 'after';
	const streamed = isSentMeanwhile && role !== 'manifest';
	const leaves = settings.deleteUploaded || isSentMeanwhile;
	return {role, path, key: place.keyFor(path), ...(leaves && {leaves: true}), ...(streamed && {streamed: true})};
}

function pathOf(
	{configuration: {settings}, start}: Context,
	subject: Subject,
	suffix: FileSuffix,
	compressed?: ReturnType<typeof compressedSuffix>,
): string {
	const {backupDirectory: directory, timestampFormat} = settings;
	return fileName({directory, subject, time: new Date(start), timestampFormat, suffix, compressed});
}
