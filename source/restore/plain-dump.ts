/**
 * Plain dumps: what they require of the server, read from the whole text before anything is created, and loading them
 * with psql.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {identifier, literal} from '../postgres/quote.js';
import {escapeServerOption, joinServerOptions} from '../postgres/session.js';
import {lastIndexOfWord, nameOf, namesFrom, splitStatements, type Token} from '../postgres/sql-statements.js';
import {adaptSubscription} from '../postgres/subscription-options.js';
import {supportsStatistics} from '../postgres/versions.js';
import type {Dump} from '../repository/dump-items.js';
import type {JobControl} from '../runs/scheduler.js';
import {type DumpText, DumpTextReader, readingText} from '../stages/dump-text.js';
import {guardedScript} from '../stages/psql-guard.js';
import {runPsqlScript} from '../stages/psql-script.js';
import {decompressed, dumpKind} from '../stages/read-dump.js';
import type {ScannerRules} from '../stages/scanner-rules.js';
import {type ArchiveNeeds, grantorsOf, hasStandardStrings} from './archive-facts.js';
import {dumpBytes, type DumpSource} from './dump-bytes.js';
import type {LoadTarget} from './load.js';
import {sessionOptions} from './load.js';
import {NewerStatements} from './newer-dump.js';
import {withUsage} from './read-access.js';
import {hintFor} from './restore-log.js';
import type {RestoreOptions} from './restore-options.js';
import type {DatabasePlan, Finding} from './restore-plan.js';
import type {RestoreTarget} from './restore-target.js';
import {isForOtherDatabase, refuseServerStatement} from './script-options.js';

/** Yields the text of a plain dump, decrypted and decompressed. Throws TOOLS for lz4. */
export function plainText(
	source: DumpSource,
	{path, parsed}: Dump,
	signal: AbortSignal,
	onBytes?: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
	const kind = dumpKind(parsed.suffix);
	if (kind === 'other') {
		throw new PgBackError('TOOLS', `${display(path)} is compressed with lz4, which pg_back cannot read`, {
			hint: 'run lz4 -dc FILE | psql to restore it by hand',
		});
	}
	const bytes = dumpBytes(source, path, signal, onBytes);
	return kind === 'gzip' || kind === 'zstd' ? decompressed(bytes, kind) : bytes;
}

const closing = /-- PostgreSQL database dump complete\n/;
/** Bytes. */
const headSize = 4096;
const dumpedVersion = /^-- Dumped from database version (\S+)/m;

/** Returns `CREATE TABLE public.orders` of a statement. */
function beginningOf(text: string): string {
	return /^\s*([^(\n]{0,80})/.exec(text)?.[1]?.trim() ?? '';
}

/** Reads the whole text. Throws CORRUPT for a psql command in it, with the line number, and for truncated text. */
export async function readPlainNeeds(
	{run: {signal}, source, target, options}: LoadTarget & {readonly source: DumpSource},
	dump: Dump,
): Promise<{readonly needs: ArchiveNeeds; readonly text: DumpText; readonly newer: readonly Finding[]}> {
	const found = new NeedsCollector();
	let newer: NewerStatements | undefined;
	let head = '';
	const readingHead = async function* (bytes: AsyncIterable<Uint8Array>) {
		for await (const chunk of bytes) {
			if (head.length < headSize) head += Buffer.from(chunk.subarray(0, headSize)).toString('latin1');
			yield chunk;
		}
	};
	const rules: ScannerRules = {
		what: dump.path,
		words,
		dropConnect: true,
		statement(bytes, line) {
			refuseServerStatement(bytes, `${display(dump.path)}, line ${line}`);
			found.take(tokensOf(bytes));
			newer ??= new NewerStatements(target.inventory, dumpedVersion.exec(head)?.[1], options);
			const text = Buffer.from(bytes, 'latin1').toString();
			newer.take(beginningOf(text), text);
			return bytes;
		},
	};
	const reader = new DumpTextReader();
	let tail = Buffer.alloc(0);
	const bytes = readingHead(plainText(source, dump, signal));
	for await (const chunk of guardedScript(readingText(bytes, reader), rules)) {
		tail = Buffer.from(Buffer.concat([tail, chunk.subarray(-512)]).subarray(-512));
	}
	if (!closing.test(tail.toString('latin1'))) {
		throw new PgBackError('CORRUPT', `${display(dump.path)} is truncated: the closing line of the dump is missing`, {
			hint: 'restore another run with --run or --as-of',
		});
	}
	const text = reader.result();
	return {needs: found.needs(text.tables.length), text, newer: newer?.findings(dump.database) ?? []};
}

/** Collects what the statements of a dump require of the server. */
class NeedsCollector {
	readonly #owners = new Set<string>();
	readonly #grantees = new Set<string>();
	readonly #grantors = new Set<string>();
	readonly #named = new Set<string>();
	readonly #extensions = new Set<string>();
	readonly #tablespaces = new Set<string>();
	readonly #privileged: {what: string; name: string}[] = [];
	readonly #subscriptions: string[] = [];

	take(tokens: readonly Token[]): void {
		const [first, second] = tokens;
		if (first?.value === 'GRANT' || first?.value === 'REVOKE') add(this.#grantees, granteesOf(tokens));
		else if (first?.value === 'ALTER') this.#takeAlteration(tokens);
		else if (first?.value === 'SET' && second?.value === 'DEFAULT_TABLESPACE') this.#takeTablespace(tokens.at(-1));
		else if (first?.value === 'SET') add(this.#grantors, grantorsOf(tokens));
		else this.#takeCreation(second?.value, tokens);
	}

	needs(tables: number): ArchiveNeeds {
		this.#owners.delete('');
		return {
			owners: this.#owners,
			grantees: this.#grantees,
			grantors: this.#grantors,
			named: this.#named,
			extensions: this.#extensions,
			tablespaces: this.#tablespaces,
			privileged: this.#privileged,
			subscriptions: this.#subscriptions,
			tables,
		};
	}

	#takeAlteration(tokens: readonly Token[]): void {
		const kind = tokens[1]?.value;
		if (kind === 'DEFAULT') {
			add(this.#grantees, granteesOf(tokens));
			add(this.#grantees, namesAfter(tokens, 'ROLE'));
		} else if (tokens.at(-3)?.value === 'OWNER') add(this.#owners, [nameOf(tokens.at(-1)) ?? '']);
		else this.#takeCreation(kind, tokens);
	}

	#takeTablespace(name: Token | undefined): void {
		if (name?.kind === 'symbol' || name?.value === '') return;
		add(this.#tablespaces, [name?.kind === 'string' ? name.value : (nameOf(name) ?? '')]);
	}

	#takeCreation(kind: string | undefined, tokens: readonly Token[]): void {
		if (kind === 'EXTENSION') {
			const name = tokens.slice(2).find(token => !['IF', 'NOT', 'EXISTS'].includes(token.value));
			add(this.#extensions, [nameOf(name) ?? '']);
		} else if (kind === 'POLICY') add(this.#named, namesAfter(tokens, 'TO'));
		else if (kind === 'USER') add(this.#named, namesAfter(tokens, 'FOR'));
		else if (kind === 'SUBSCRIPTION') this.#subscriptions.push(nameOf(tokens[2]) ?? '');
		else if (kind === 'EVENT') this.#takePrivileged('event trigger', tokens[3]);
		else if (kind === 'PUBLICATION' && /\bFOR ALL TABLES\b|\bTABLES IN SCHEMA\b/.test(wordsOf(tokens)))
			this.#takePrivileged('publication', tokens[2]);
		else if (kind === 'FOREIGN' && tokens[2]?.value === 'DATA') this.#takePrivileged('foreign data wrapper', tokens[4]);
	}

	/** Several statements may be about one object. */
	#takePrivileged(what: string, token: Token | undefined): void {
		const name = nameOf(token) ?? '';
		if (!this.#privileged.some(one => one.what === what && one.name === name)) this.#privileged.push({what, name});
	}
}

const words: ReadonlySet<string> = new Set(['alter', 'grant', 'revoke', 'create', 'set']);
/** The only CREATE statements that are parsed: a function may be large. */
const interesting =
	/^\s*(?:alter\s|grant\s|revoke\s|set\s|create\s+(?:extension|policy|user\s+mapping|event\s+trigger|subscription|publication|foreign\s+data\s+wrapper)\s)/i;

function wordsOf(tokens: readonly Token[]): string {
	return tokens.flatMap(({kind, value}) => (kind === 'word' ? [value] : [])).join(' ');
}

/** Returns an empty list for irrelevant statements. The text has one character per byte. */
function tokensOf(bytes: string): readonly Token[] {
	if (!interesting.test(bytes) || bytes.length > 1 << 20) return [];
	const text = Buffer.from(bytes, 'latin1').toString();
	try {
		return splitStatements(`${text};`)[0]?.tokens ?? [];
	} catch (error) {
		if (error instanceof PgBackError) return []; // reported by psql
		throw error;
	}
}

function granteesOf(tokens: readonly Token[]): readonly string[] {
	return namesFrom(tokens, Math.max(lastIndexOfWord(tokens, 'TO'), lastIndexOfWord(tokens, 'FROM')) + 1);
}

function namesAfter(tokens: readonly Token[], word: string): readonly string[] {
	const at = tokens.findIndex(token => token.kind === 'word' && token.value === word);
	return at === -1 ? [] : namesFrom(tokens, at + 1);
}

function add(set: Set<string>, names: readonly string[]): void {
	for (const name of names) set.add(name);
}

/**
 * Loads the text with psql, which stops at the first error. Returns the contents of the dump. Throws FAILED or CORRUPT.
 */
export async function loadPlain(
	{run, target, options, source}: LoadTarget & {readonly source: DumpSource},
	{hidden, prepared}: DatabasePlan,
	control: JobControl,
): Promise<DumpText> {
	const {dump} = prepared;
	const {signal, meter, id} = control;
	const {superuser, version} = target.inventory;
	const reader = new DumpTextReader();
	const bytes = plainText(source, dump, signal, count => meter.count('download', count));
	const late: string[] = [];
	const own = new Set([...words, 'drop', 'comment']);
	const execute = async (text: AsyncIterable<Uint8Array>, rules: Partial<ScannerRules>) => {
		const errors = await runPsqlScript({
			psql: target.psql,
			account: target.account,
			connection: restoringConnection(target, options, hidden),
			source: text,
			rules: {what: dump.path, dropConnect: true, ...rules},
			signal,
			onLine: line => run.emit({type: 'job.output', job: id, line}),
		});
		if (errors.length > 0) throw failure(dump.database, errors);
	};
	await execute(readingText(bytes, reader), {
		words: superuser ? withStatistics(own, version) : new Set([...own, 'select', 'refresh']),
		statement(text, line) {
			refuseServerStatement(text, `${display(dump.path)}, line ${line}`);
			if (isLeftOut(text, options, target) || isForOtherDatabase(text)) return undefined;
			if (superuser || !refresh.test(text)) return adapted(text, target);
			late.push(text);
			return undefined;
		},
	});
	const {owner} = options;
	if (late.length > 0)
		await withUsage(target, {database: hidden, signal, ...(owner !== undefined && {role: owner})}, () =>
			execute(lateScript(reader.result().encoding, late), {}),
		);
	return reader.result();
}

/** Returns the statement in a form that the server knows. */
function adapted(text: string, target: RestoreTarget): string {
	const subscription = adaptSubscription(text, target.inventory.version);
	if (subscription?.lacks.length === 0) return subscription.statement;
	// As pg_restore --enable-row-security, see loadArchive.
	return /^\s*set\s+row_security\s*=\s*off\s*$/i.test(text) ? '\nSET row_security = on' : inTablespaceOf(text, target);
}

/** Creates the subscriptions of an archive that pg_restore cannot create. Throws FAILED. */
export async function createSubscriptions(
	load: LoadTarget,
	{hidden, prepared, rewritten}: DatabasePlan,
	{id, signal}: JobControl,
): Promise<void> {
	const {run, target, options} = load;
	const standard = hasStandardStrings(prepared.toc?.entries ?? []) ? 'on' : 'off';
	const statements = [
		"set client_encoding = 'UTF8';\n",
		`set standard_conforming_strings = ${standard};\n`,
		...rewritten.flatMap(({name, statement, owner, more}) => [
			`${statement};\n`,
			...(options.owner === undefined && owner !== ''
				? [`alter subscription ${identifier(name)} owner to ${identifier(owner)};\n`]
				: []),
			...more,
		]),
	];
	const errors = await runPsqlScript({
		psql: target.psql,
		account: target.account,
		connection: restoringConnection(target, options, hidden),
		source: (async function* () {
			for (const text of statements) yield Buffer.from(text);
		})(),
		rules: {what: prepared.dump.path},
		signal,
		onLine: line => run.emit({type: 'job.output', job: id, line}),
	});
	if (errors.length > 0) throw failure(prepared.dump.database, errors);
}

/** Returns the connection of a psql that loads `database` with the settings of a restore, as the owner if one is set. */
function restoringConnection({connection, inventory}: RestoreTarget, {owner}: RestoreOptions, database: string) {
	const child = connection.forDatabase(database);
	const role = owner === undefined ? '' : `-c role=${escapeServerOption(owner)}`;
	return {
		...child,
		env: {...child.env, PGOPTIONS: sessionOptions(joinServerOptions(child.env['PGOPTIONS'], role), inventory)},
	};
}

function failure(database: string, errors: readonly string[]): PgBackError {
	const said = errors[0] ?? '';
	return new PgBackError(
		'FAILED',
		`cannot restore ${display(database)}: ${display(said.replace(/^psql:<stdin>:/, 'line '))}`,
		{
			output: errors,
			hint:
				hintFor(errors.join(' ')) ??
				'nothing can be left out of plain SQL: fix the cause, or load an edited copy of the dump with psql',
		},
	);
}

/** These follow the privileges in a dump: our user may lack USAGE of a schema by then. */
const refresh = /^\s*refresh\s+materialized\s+view\s/i;

/** The statements have one character per byte, in the encoding of the dump. */
async function* lateScript(encoding: string, statements: readonly string[]): AsyncGenerator<Uint8Array> {
	yield Buffer.from(`set client_encoding = ${literal(encoding)};\n`);
	yield Buffer.from("select pg_catalog.set_config('search_path', '', false);\nset row_security = on;\n");
	for (const statement of statements) yield Buffer.from(`${statement};\n`, 'latin1');
}

/** Returns the words, and those of statements that a server of that version may reject. */
function withStatistics(words: ReadonlySet<string>, version: number): ReadonlySet<string> {
	return supportsStatistics(version) ? words : new Set([...words, 'select']);
}

/** Returns true for statements in the form in which pg_dump writes planner statistics since 18. */
function isStatisticsStatement(text: string): boolean {
	return /^\s*select\s+\*\s+from\s+pg_catalog\.pg_restore_\w+_stats\s*\(/i.test(text);
}

function isLeftOut(text: string, {owner, privileges, analyze}: RestoreOptions, {inventory}: RestoreTarget): boolean {
	if (/^\s*set\s+transaction_timeout\b/i.test(text)) return inventory.version < 170_000;
	// They need USAGE of schemas, which our user may lack by then; without them the database is analyzed.
	if (isStatisticsStatement(text)) return !supportsStatistics(inventory.version) || (!inventory.superuser && analyze);
	if (owner !== undefined && /^\s*alter\s[^]*\sowner\s+to\s+(?:"(?:[^"]|"")*"|[\w$\u0080-\u00ff]+)\s*$/i.test(text))
		return true;
	return !privileges && /^\s*(?:grant|revoke|alter\s+default\s+privileges|set\s+session\s+authorization)\s/i.test(text);
}

/** Replaces a tablespace that the target does not have with the default one. `text` is in Latin-1. */
function inTablespaceOf(text: string, {inventory}: Pick<RestoreTarget, 'inventory'>): string {
	const [, start = '', name = ''] =
		/^(\s*set\s+default_tablespace\s*=\s*)('(?:[^']|'')*'|"(?:[^"]|"")*"|[\w$\u0080-\u00ff]+)\s*$/i.exec(text) ?? [];
	const quote = /^["']/.exec(name)?.[0];
	const bare = quote === undefined ? name : name.slice(1, -1).replaceAll(quote + quote, quote);
	if (bare === '' || inventory.tablespaces.has(Buffer.from(bare, 'latin1').toString())) return text;
	return `${start}''`;
}
