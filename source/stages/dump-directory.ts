/**
 * A directory-format dump: each member is hashed, encrypted and removed as soon as pg_dump has finished it, while
 * pg_dump continues.
 */
import {mkdir, realpath} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {PgBackError} from '../core/errors.js';
import {discardPartial, makeParents, partialPath, setMode, syncDirectory} from '../lib/files.js';
import {type Child, startChild} from '../process/child.js';
import {openFiles} from '../process/open-files.js';
import type {ArtifactOptions, Written} from './artifact.js';
import {expectedMembers, missingMember} from './directory-check.js';
import {type DumpCommand, dumped, incomplete} from './dump.js';
import {type Companion, MemberPass, tableOfContents} from './member-pass.js';
import {SpoolPasses} from './spool-passes.js';

/** Milliseconds between two scans for finished members. */
const scanInterval = 250;

/**
 * Runs pg_dump, which writes to the directory that `commandFor` receives. Members keep their names, with `.age` if
 * encrypted. When this returns or throws, the child has exited; after a failure the directory is removed.
 */
export async function dumpToDirectory(
	commandFor: (directory: string) => DumpCommand,
	options: ArtifactOptions,
	companion?: Companion,
): Promise<Written> {
	const {plainPath, meter} = options;
	const {stream: _stream, spool, ...settings} = options.settings;
	await makeParents(plainPath);
	const directory = partialPath(plainPath, settings.run);
	await mkdir(directory, {mode: 0o700});
	const real = await realpath(directory);
	const inner = new AbortController();
	const signal = AbortSignal.any([options.signal, inner.signal]);
	const members = new MemberPass(real, {...options, settings, signal}, companion);
	meter?.start('dump');
	const command = commandFor(directory);
	const passes: Passes = spool
		? new SpoolPasses({members, spool, command, plainPath, directory: real, encrypted: !!settings.encryption, signal})
		: plainPasses(members);
	try {
		command.onStart([command.command, ...command.args]);
		const child = startChild({
			...command,
			...{stdout: 'ignore', stderr: 'messages', signal},
			onLine: line => command.onLine(line),
		});
		meter?.watch('dump', () => members.bytesSoFar());
		const over = new AbortController();
		const pgDump = dumped(child, command.what);
		const ended = (companion ? bothEnded(pgDump, companion.write(real, signal, pgDump), inner) : pgDump).finally(() =>
			over.abort(),
		);
		const watched = passes.watch(child, over.signal).catch((error: unknown) => {
			inner.abort(error); // a member that cannot be processed stops pg_dump
			throw error;
		});
		const [childResult, passed] = await Promise.allSettled([ended, watched]);
		if (passed.status === 'rejected' && inner.signal.aborted) throw inner.signal.reason;
		if (childResult.status === 'rejected') throw childResult.reason;
		const expected = await completeToc(command.what, join(real, tableOfContents), signal);
		await members.release(companion ? await companion.enter(real, signal) : []);
		meter?.finish('dump');
		await passes.finish();
		const contents = members.contents();
		if (!contents.some(content => basename(content.name) === tableOfContents)) {
			throw new PgBackError('DUMP_FAILED', `${command.what}: no table of contents in the dump`);
		}
		const missing = expected && missingMember(expected, contents);
		if (missing !== undefined) throw incomplete(command.what, missing);
		meter?.finish('checksum');
		meter?.finish('encrypt');
		if (settings.mode !== undefined) await setMode(directory, directoryMode(settings.mode));
		await syncDirectory(directory);
		const file = {...members.pending(directory), ...(spool && ({streamed: true} as const))};
		return {plainPath, directory: true, contents, files: [file]};
	} catch (error) {
		inner.abort(error);
		for (const stage of ['dump', 'checksum', 'encrypt'] as const) meter?.finish(stage, 'failed');
		await passes.abandon(error);
		await discardPartial(directory);
		throw error;
	}
}

async function completeToc(what: string, path: string, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
	try {
		return await expectedMembers(path, signal);
	} catch (error) {
		if (error instanceof PgBackError && error.code === 'CORRUPT') throw incomplete(what, error.message, error);
		throw error;
	}
}

/** How the members are processed. */
export type Passes = {
	/** Processes finished members until `over`; a failure stops pg_dump. */
	readonly watch: (child: Child, over: AbortSignal) => Promise<void>;
	/** Processes what is left. pg_dump and its companion have succeeded. */
	readonly finish: () => Promise<void>;
	/** Returns when nothing is being processed any more. pg_dump has exited. */
	readonly abandon: (error: unknown) => Promise<void>;
};

function plainPasses(members: MemberPass): Passes {
	return {
		async watch(child, over) {
			while (!over.aborted) {
				await members.pass(() => openFiles(child.pid));
				await delay(scanInterval, undefined, {signal: over}).catch(() => undefined); // pg_dump has exited
			}
		},
		async finish() {
			await members.pass(async () => new Set());
			await members.flush();
		},
		abandon: () => Promise.resolve(),
	};
}

/** Waits for pg_dump and its companion. When one fails, the other is stopped; throws the first failure. */
async function bothEnded(pgDump: Promise<void>, companion: Promise<void>, inner: AbortController): Promise<void> {
	const stop = (error: unknown) => inner.abort(error);
	pgDump.catch(stop);
	companion.catch(stop);
	await Promise.allSettled([pgDump, companion]);
	inner.signal.throwIfAborted();
}

/** Adds x for everyone with r or w. */
function directoryMode(mode: number): number {
	const some = (mode | (mode >> 1)) & 0o222;
	return (mode | (some >> 1)) & 0o777;
}
