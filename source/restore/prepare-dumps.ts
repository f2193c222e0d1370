/** Reads what a plan needs to know about each dump: an archive's table of contents, or the whole of a plain dump. */
import {contentsNames} from '../core/directory-dump.js';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {drain} from '../lib/release.js';
import {decodeScript} from '../postgres/archive-encoding.js';
import type {ArchiveToc} from '../postgres/archive-toc.js';
import {readArchiveToc, readDirectoryToc, readTarToc} from '../postgres/read-toc.js';
import {hasIcu, hasLocale} from '../postgres/target-inventory.js';
import {type Dump, sizeOf} from '../repository/dump-items.js';
import {databaseOf, needsOf} from './archive-facts.js';
import {objectsOf} from './archive-facts.js';
import {type DatabaseDefinition, parseDatabase} from './database-definition.js';
import {dumpBytes, type DumpSource} from './dump-bytes.js';
import type {LoadTarget} from './load.js';
import {newerArchive} from './newer-dump.js';
import {chooseObjects} from './only-objects.js';
import {readPlainNeeds} from './plain-dump.js';
import type {RestoreOptions} from './restore-options.js';
import type {DumpFormat, Finding, PreparedDump} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';
import {skipsOf} from './skip.js';

/** Returns what any restore needs to know about a dump; a plain one is not read. Throws CORRUPT, WRONG_KEY or TOOLS. */
export async function readDump(
	source: DumpSource,
	dump: Dump,
	signal: AbortSignal,
	locale?: string,
): Promise<Omit<PreparedDump, 'needs' | 'isEmpty' | 'findings' | 'closure'>> {
	const format = formatOf(dump);
	const toc = format === 'plain' ? undefined : await tocOf(source, dump, format, signal);
	const script = await createScriptOf(source, dump, signal);
	return {
		dump,
		format,
		encrypted: dump.files.some(file => file.path.endsWith('.age')),
		bytes: sizeOf(dump),
		toc,
		definition: definitionOf(toc, script, dump.database, locale),
	};
}

/** `onlyName` is the database of --only. Throws CORRUPT, WRONG_KEY or TOOLS for an unreadable dump. */
export async function prepareDump(
	{run, source, target, options}: LoadTarget & {readonly source: DumpSource},
	{dump, onlyName}: {readonly dump: Dump; readonly onlyName: string},
): Promise<PreparedDump> {
	const {signal} = run;
	const skips = skipsOf(options.skip);
	const read = await readDump(source, dump, signal, options.locale);
	const {toc, definition} = read;
	const plain = toc ? undefined : await readPlainNeeds({run, source, target, options}, dump);
	const only =
		toc && options.only
			? await chooseObjects(run, toc, target, {database: dump.database, name: onlyName, options})
			: undefined;
	const all = toc?.entries ?? [];
	const entries = only ? (only.closure?.entries ?? []) : all.filter(entry => !skips(entry));
	const locales = definition && !options.only ? await localeFindings(dump.database, definition, target) : [];
	return {
		...read,
		needs: plain?.needs ?? needsOf(entries, toc?.sharedText),
		isEmpty: (plain?.text.objects ?? objectsOf(all)).size === 0,
		findings: [
			...(only?.findings ?? []),
			...locales,
			...(plain ? [...plainFindings(dump.database, options), ...plain.newer] : []),
			...newerArchive(entries, {toc, database: dump.database}, {target: target.inventory, options}),
		],
		closure: only?.closure,
	};
}

async function createScriptOf(
	source: DumpSource,
	{createScript}: Dump,
	signal: AbortSignal,
): Promise<string | undefined> {
	return createScript && textOf(dumpBytes(source, createScript.path, signal));
}

/** Parses the createdb.sql if there is one, else the archive. */
function definitionOf(
	toc: ArchiveToc | undefined,
	script: string | undefined,
	database: string,
	locale: string | undefined,
): DatabaseDefinition | undefined {
	const found = toc && databaseOf(toc);
	const read = script === undefined ? found : parseDatabase([script], {name: database, owner: found?.owner});
	return read && withLocale(read, locale);
}

/** A plain dump is one script, from which nothing can be selected. */
function plainFindings(database: string, {data, skip, only}: RestoreOptions): readonly Finding[] {
	const refused = [...(data ? [] : ['--no-data']), ...(skip.length > 0 ? ['--skip'] : []), ...(only ? ['--only'] : [])];
	return refused.map(option => ({
		severity: 'stop',
		code: 'USAGE',
		database,
		text: `${option} needs an archive, and the dump of ${display(database)} is plain SQL`,
		hint: 'dump in the custom format, or restore it whole with --into',
	}));
}

export function isPlain(dump: Dump): boolean {
	return formatOf(dump) === 'plain';
}

function formatOf({parsed: {suffix}}: Dump): DumpFormat {
	if (suffix === 'dump') return 'custom';
	if (suffix === 'tar') return 'tar';
	return suffix === 'd' ? 'directory' : 'plain';
}

async function tocOf(source: DumpSource, dump: Dump, format: DumpFormat, signal: AbortSignal): Promise<ArchiveToc> {
	const path = format === 'directory' ? tocMember(dump) : dump.path;
	const bytes = dumpBytes(source, path, signal);
	try {
		if (format === 'directory') return await readDirectoryToc(bytes);
		return await (format === 'tar' ? readTarToc(bytes) : readArchiveToc(bytes));
	} catch (error) {
		if (!(error instanceof PgBackError) || !['CORRUPT', 'TOOLS'].includes(error.code)) throw error;
		// Its checksum shows whether an unknown version is a damaged byte.
		await drain(dumpBytes(source, path, signal));
		const hint = error.hint;
		throw new PgBackError(error.code, `${display(path)}: ${error.message}`, {
			cause: error,
			...(hint !== undefined && {hint}),
		});
	}
}

/** Returns the path of its table of contents. Throws CORRUPT. */
export function tocMember({path, files}: Dump): string {
	const found = files.find(file => contentsNames.some(name => file.path === `${path}/${name}`));
	if (!found) throw new PgBackError('CORRUPT', `${display(path)} has no toc.dat`);
	return found.path;
}

/** Bytes; only for small texts: scripts and globals, not for dumps. */
const largestScript = 256 << 20;

/** Decodes by the encoding that the script sets. Throws CORRUPT when it is larger than any such file. */
export async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
	const chunks: Uint8Array[] = [];
	let size = 0;
	for await (const chunk of source) {
		size += chunk.byteLength;
		if (size > largestScript) throw new PgBackError('CORRUPT', 'a script of more than 256 MiB');
		chunks.push(Buffer.from(chunk));
	}
	return decodeScript(Buffer.concat(chunks));
}

/** `--locale` accepts a locale of libc, `icu:NAME` or `builtin:NAME`. */
function withLocale(definition: DatabaseDefinition, locale: string | undefined): DatabaseDefinition {
	if (locale === undefined) return definition;
	const [, provider, name = ''] = /^(libc|icu|builtin):(.*)$/s.exec(locale) ?? [undefined, 'libc', locale];
	const {icuRules: _, providerLocale: __, ...rest} = definition;
	if (provider === 'libc')
		return {...rest, provider, collate: name, characterType: name, providerLocale: undefined, icuRules: undefined};
	return {
		...definition,
		provider: provider === 'icu' ? 'icu' : 'builtin',
		collate: 'C',
		characterType: 'C',
		providerLocale: name,
		icuRules: undefined,
	};
}

/** Returns what the target lacks to create the database. */
export async function localeFindings(
	database: string,
	definition: DatabaseDefinition,
	{session, inventory}: RestoreTarget,
): Promise<readonly Finding[]> {
	const {provider, collate, characterType} = definition;
	const hint = 'use --locale LOCALE to replace it; C.UTF-8 is available everywhere';
	const lacks = (text: string): Finding => ({severity: 'stop', code: 'TARGET_LACKS', database, text, hint});
	const findings: Finding[] = [];
	for (const locale of new Set([collate, characterType])) {
		if (locale !== undefined && !(await hasLocale(session, locale)))
			findings.push(lacks(`locale ${display(locale)} of ${display(database)} does not exist in the target`));
	}
	const needed = {libc: 0, icu: 150_000, builtin: 170_000}[provider];
	if (inventory.version < needed)
		findings.push(lacks(`the target is too old for the locale provider ${provider} of ${display(database)}`));
	else if (provider === 'icu' && !(await hasIcu(session)))
		findings.push(lacks(`the target was built without ICU, the locale provider of ${display(database)}`));
	return findings;
}
