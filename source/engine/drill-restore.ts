/** Restores one dump, whatever its format, and says what went wrong. */
import {chmod, mkdir, open, rm} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {basename, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {identifier, literal} from '../postgres/quote.js';
import {startChild, type Child} from '../process/child.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/keys.js';
import {counted} from '../stages/dump.js';
import {MultiHash} from '../stages/hash.js';
import {DumpTextReader, readingText, textOfCommand, type DumpText} from '../stages/dump-text.js';
import {checkedTar} from '../stages/tar.js';
import {decompressed, dumpKind} from '../stages/verify.js';
import type {RunContext} from './context.js';
import {named} from './decrypt.js';
import type {DrillDump, DrillItem, DrillPlan} from './drill-plan.js';
import type {DrillTarget} from './drill-target.js';
import type {Place} from './place.js';
import type {JobControl} from './scheduler.js';
import {once} from '../lib/once.js';

export type DrillShared = {
	readonly run: RunContext;
	readonly place: Place;
	readonly plan: DrillPlan;
	readonly target: DrillTarget;
	readonly keys: DecryptionKeys | undefined;
	/** For what has to be a file before it can be restored; ours alone. */
	readonly directory: string;
};

/**
 * The plain bytes of a file or of a member of a directory dump. At the end of the bytes they are compared with the manifest's digest:
 * throws CORRUPT.
 */
export async function* plainBytes(
	{place, plan, keys}: DrillShared,
	path: string,
	{signal, meter}: JobControl,
): AsyncGenerator<Uint8Array> {
	const hash = new MultiHash(['sha256']);
	const source = hashed(
		counted(place.read(path, signal), bytes => meter.count('download', bytes)),
		hash,
	);
	if (!path.endsWith('.age')) yield* source;
	else if (keys) yield* named(path, decryptStream(source, keys, signal));
	else
		throw new PgBackError('WRONG_KEY', `${display(path)} is encrypted, and there is no key`, {
			hint: 'give --cipher-private-key or a passphrase',
		});
	for await (const _ of source);
	const expected = expectedDigest(plan, path);
	if (expected !== undefined && hash.digests().sha256 !== expected) {
		throw new PgBackError('CORRUPT', `${display(path)} is damaged: its sha256 is not that of the manifest of its run`, {
			hint: 'use another run',
		});
	}
}

function expectedDigest({known}: DrillPlan, path: string): string | undefined {
	const file = known.get(path);
	if (file) return file.sha256 ?? (file.encryption ? undefined : file.plain?.sha256);
	const slash = path.lastIndexOf('/');
	return known.get(path.slice(0, slash))?.members?.find(member => member.path === path.slice(slash + 1))?.sha256;
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: MultiHash): AsyncGenerator<Uint8Array> {
	for await (const chunk of source) {
		hash.update(chunk);
		yield chunk;
	}
}

/** Roles first. In a server of our own tablespaces get directories of it; in another they are left out. */
export async function restoreGlobals(shared: DrillShared, item: DrillItem, control: JobControl): Promise<void> {
	const chunks: Buffer[] = [];
	for await (const chunk of plainBytes(shared, item.path, control)) chunks.push(Buffer.from(chunk));
	const {target} = shared;
	const lines: string[] = [];
	for (const line of Buffer.concat(chunks).toString('latin1').split('\n')) {
		const location = / LOCATION '(?:[^']|'')*';$/.exec(line);
		if (!/^(CREATE|ALTER|COMMENT ON|GRANT .* ON|REVOKE .* ON) TABLESPACE /.test(line)) lines.push(line);
		else if (target.scratch)
			lines.push(
				location ? `${line.slice(0, location.index)} LOCATION ${literal(await target.scratch.tablespace())};` : line,
			);
	}
	const errors = await runScript(shared, target.maintenance, once(Buffer.from(lines.join('\n'), 'latin1')), control);
	const bad = errors.filter(line => !/ERROR: +role ".*" already exists/.test(line));
	if (bad.length > 0) throw restoreError('the globals', bad);
}

/** Creates the database and fills it. Returns what the dump holds. Throws FAILED or CORRUPT. */
export async function restoreDump(shared: DrillShared, dump: DrillDump, control: JobControl): Promise<DumpText> {
	const {parsed} = dump;
	const what = display(dump.database);
	if (parsed.suffix === 'sql.lz4')
		throw new PgBackError('TOOLS', 'this program cannot read lz4', {hint: 'lz4 -dc FILE | psql restores it by hand'});
	const kind = dumpKind(parsed.suffix);
	if (kind === 'plain' || kind === 'gzip' || kind === 'zstd') {
		await createFrom(shared, dump, control);
		const bytes = plainBytes(shared, dump.path, control);
		const reader = new DumpTextReader();
		const text = readingText(kind === 'plain' ? bytes : decompressed(bytes, kind), reader);
		const errors = await runScript(shared, dump.database, text, control);
		const bad = errors.filter(
			line => shared.plan.globals !== undefined || !/ERROR: +role ".*" does not exist/.test(line),
		);
		if (bad.length > 0) throw restoreError(what, bad);
		return reader.result();
	}
	const {pgRestore} = shared.target;
	if (!pgRestore) throw new PgBackError('TOOLS', 'there is no pg_restore', {hint: 'install a PostgreSQL client'});
	const {path, fetched} = await archivePath(shared, dump, control);
	try {
		const errors = await runRestore(shared, pgRestore.path, dump, path, control);
		if (errors.length > 0) throw restoreError(what, errors);
		return await textOfCommand({
			command: pgRestore.path,
			args: ['-f', '-', '--', path],
			env: {...shared.run.env, LC_ALL: 'C'},
			signal: control.signal,
			what: `the text of ${what}`,
		});
	} finally {
		if (fetched) await rm(path, {recursive: true, force: true});
	}
}

/** By the script beside a plain dump; without one, the plain way. */
async function createFrom(
	shared: DrillShared,
	{createScript, database}: DrillDump,
	control: JobControl,
): Promise<void> {
	const {target} = shared;
	if (createScript) {
		const errors = await runScript(shared, target.maintenance, plainBytes(shared, createScript.path, control), control);
		const bad = errors.filter(
			line => shared.plan.globals !== undefined || !/ERROR: +role ".*" does not exist/.test(line),
		);
		if (bad.length > 0) throw restoreError(`the creation of ${display(database)}`, bad);
	} else await target.session.query(`create database ${identifier(database)} template template0`, {timeout: 0});
}

/** Where pg_restore finds the archive: in its place if it is here and plain, else fetched. */
async function archivePath(
	shared: DrillShared,
	{path, parsed, files}: DrillDump,
	control: JobControl,
): Promise<{path: string; fetched: boolean}> {
	const {place, directory} = shared;
	const local = place.localPath?.(path);
	if (local !== undefined && files.every(file => !file.path.endsWith('.age'))) {
		for (const file of files) for await (const _ of checkedBytes(shared, file.path, control)); // the digests
		return {path: local, fetched: false};
	}
	const target = join(directory, `${control.id.replaceAll(/[^\w]/g, '_').slice(-40)}.${parsed.suffix}`);
	if (parsed.suffix !== 'd') await fetchTo(shared, path, target, control);
	else {
		await mkdir(target, {mode: 0o700});
		for (const file of files)
			await fetchTo(shared, file.path, join(target, basename(file.path).replace(/\.age$/, '')), control);
	}
	return {path: target, fetched: true};
}

/** A cut tar archive would make pg_restore spin for ever. */
function checkedBytes(shared: DrillShared, path: string, control: JobControl): AsyncGenerator<Uint8Array> {
	const bytes = plainBytes(shared, path, control);
	return /\.tar(\.age)?$/.test(path) ? checkedTar(bytes) : bytes;
}

async function fetchTo(shared: DrillShared, path: string, target: string, control: JobControl): Promise<void> {
	const handle = await open(target, 'wx', 0o600);
	try {
		for await (const chunk of checkedBytes(shared, path, control)) await handle.writeFile(chunk);
		await chmod(target, 0o600);
	} finally {
		await handle.close();
	}
}

async function runRestore(
	{run, target, plan}: DrillShared,
	pgRestore: string,
	{database, parsed}: DrillDump,
	path: string,
	{id, signal}: JobControl,
): Promise<string[]> {
	// pg_restore does not create a database with such a name.
	const creates = !/[\n\r]/.test(database);
	if (!creates) await target.session.query(`create database ${identifier(database)} template template0`, {timeout: 0});
	const connection = target.connection.forDatabase(creates ? target.maintenance : database);
	const args = [
		'-w',
		...(creates ? ['-C'] : []),
		...(parsed.suffix === 'tar' ? [] : ['-j', String(Math.min(4, availableParallelism()))]),
		...(plan.globals ? [] : ['--no-owner', '--no-acl']),
		...(target.scratch ? [] : ['--no-tablespaces']),
		...connection.args,
		'--',
		path,
	];
	const errors: string[] = [];
	const child = startChild({
		command: pgRestore,
		args,
		env: connection.env,
		signal,
		onLine(line) {
			run.emit({type: 'job.output', job: id, line});
			if (/: (error|fatal): /.test(line)) errors.push(line);
		},
	});
	const {exitCode, stderr} = await child.done;
	return exitCode === 0 || errors.length > 0 ? errors : [stderr.at(-1) ?? 'pg_restore failed without a word'];
}

/** The lines with errors that psql writes; all statements are tried. */
async function runScript(
	{run, target}: DrillShared,
	database: string,
	source: AsyncIterable<Uint8Array>,
	{id, signal}: JobControl,
): Promise<string[]> {
	const connection = target.connection.forDatabase(database);
	const [command, args] = target.psqlCommand(['-Xqw', '-o', '/dev/null', ...connection.args, '-f', '-']);
	const errors: string[] = [];
	const child = startChild({
		command,
		args,
		env: {...connection.env, LC_ALL: 'C'},
		stdin: 'pipe',
		cwd: '/',
		signal,
		onLine(line) {
			run.emit({type: 'job.output', job: id, line});
			if (/(^|: )(ERROR|FATAL|PANIC|error|fatal): /.test(line)) errors.push(line);
		},
	});
	await feed(child, source);
	const {exitCode, stderr} = await child.done;
	return exitCode === 0 || errors.length > 0 ? errors : [stderr.at(-1) ?? 'psql failed without a word'];
}

async function feed(child: Child, source: AsyncIterable<Uint8Array>): Promise<void> {
	const {stdin} = child;
	if (!stdin) throw new PgBackError('BUG', 'psql has no standard input');
	child.done.catch(() => undefined); // awaited by the caller
	stdin.on('error', () => undefined); // its status says why it ended
	try {
		for await (const chunk of source) {
			if (stdin.destroyed) break;
			await new Promise<void>(resolve => stdin.write(chunk, () => resolve()));
		}
	} finally {
		stdin.end();
	}
}

function restoreError(what: string, errors: readonly string[]): PgBackError {
	const more = errors.length > 1 ? ` (and ${plural(errors.length - 1, 'more error')})` : '';
	return new PgBackError('FAILED', `${what} cannot be restored: ${display(errors[0] ?? '')}${more}`, {
		output: errors.slice(0, 50),
		hint: 'what the server lacks (an extension, a locale) must be there for a restore too',
	});
}
