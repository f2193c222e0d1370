/** A directory-format dump: each member is hashed, encrypted and removed as soon as pg_dump has finished it, while it writes on. */
import {constants} from 'node:fs';
import {chmod, mkdir, open, readdir, readFile, readlink, realpath, rename, rm, stat} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {PgBackError} from '../core/errors.js';
import {discardPartial, filesBelow, makeParents, partialPath, partialPattern, syncDirectory} from '../lib/files.js';
import {startChild} from '../process/child.js';
import {algorithmsOf, writeArtifact, type ArtifactOptions, type Content, type Written} from './artifact.js';
import {dumped, type DumpCommand} from './dump.js';
import {hashHandle} from './hash.js';
import type {Meter} from './meter.js';

/** How often finished members are looked for, in milliseconds. */
const scanInterval = 250;

/**
 * Runs pg_dump, which writes the directory that `commandFor` is given. Members keep their names, with `.age` where encrypted. When
 * this returns or throws, the child is gone; after a failure so is the directory.
 */
export async function dumpToDirectory(
	commandFor: (directory: string) => DumpCommand,
	options: ArtifactOptions,
): Promise<Written> {
	const {plainPath, settings, meter} = options;
	await makeParents(plainPath);
	const directory = partialPath(plainPath, settings.run);
	await mkdir(directory, {mode: 0o700});
	const real = await realpath(directory);
	const inner = new AbortController();
	const signal = AbortSignal.any([options.signal, inner.signal]);
	const members = new MemberPass(real, {...options, signal});
	meter?.start('dump');
	try {
		const command = commandFor(directory);
		command.onStart([command.command, ...command.args]);
		const child = startChild({...command, stdout: 'ignore', signal, onLine: line => command.onLine(line)});
		meter?.watch('dump', () => members.bytesSoFar());
		const over = new AbortController();
		const ended = dumped(child, command.what).finally(() => over.abort());
		const passes = (async () => {
			while (!over.signal.aborted) {
				await members.pass(() => openFiles(child.pid));
				await delay(scanInterval, undefined, {signal: over.signal}).catch(() => undefined); // it has ended
			}
		})().catch((error: unknown) => {
			inner.abort(error); // a member that cannot be processed ends pg_dump
			throw error;
		});
		const [childResult, passed] = await Promise.allSettled([ended, passes]);
		if (passed.status === 'rejected' && inner.signal.aborted) throw passed.reason;
		if (childResult.status === 'rejected') throw childResult.reason;
		meter?.finish('dump');
		await members.pass(async () => new Set());
		const contents = members.contents();
		if (!contents.some(content => basename(content.name) === 'toc.dat')) {
			throw new PgBackError('DUMP_FAILED', `${command.what}: no table of contents in the dump`);
		}
		meter?.finish('checksum');
		meter?.finish('encrypt');
		if (settings.mode !== undefined) await chmod(directory, directoryMode(settings.mode));
		await syncDirectory(directory);
		return {plainPath, directory: true, contents, files: [members.pending(directory)]};
	} catch (error) {
		for (const stage of ['dump', 'checksum', 'encrypt'] as const) meter?.finish(stage, 'failed');
		await discardPartial(directory);
		throw error;
	}
}

/** x for whoever has r or w. */
function directoryMode(mode: number): number {
	const some = (mode | (mode >> 1)) & 0o222;
	return (mode | (some >> 1)) & 0o777;
}

class MemberPass {
	readonly #directory: string;
	readonly #options: ArtifactOptions;
	readonly #done = new Map<string, Content>();

	constructor(directory: string, options: ArtifactOptions) {
		this.#directory = directory;
		this.#options = options;
		if (algorithmsOf(options.settings).length > 0) options.meter?.start('checksum');
		if (options.settings.encryption) options.meter?.start('encrypt');
	}

	/**
	 * Processes each member that is not done and not open. A member is opened once, when it is made: one that was listed, and is not
	 * open afterwards, is finished. `openFiles` gives absolute paths; undefined where the system does not say (all is done at the end).
	 */
	async pass(openFiles: () => Promise<ReadonlySet<string> | undefined>): Promise<void> {
		const names = await filesBelow(this.#directory);
		const open = await openFiles();
		if (open === undefined) return;
		for (const name of names) {
			if (this.#done.has(name) || name.endsWith('.age') || partialPattern.test(basename(name))) continue;
			if (open.has(join(this.#directory, name))) continue;
			this.#options.signal.throwIfAborted();
			this.#done.set(name, await this.#process(name));
		}
	}

	async #process(name: string): Promise<Content> {
		const {settings, signal, meter, plainPath} = this.#options;
		const path = join(this.#directory, name);
		const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
		try {
			const shown = `${basename(plainPath)}/${name}`;
			if (settings.mode !== undefined) await handle.chmod(settings.mode & 0o777);
			if (!settings.encryption) {
				const {size, digests} = await hashHandle(handle, algorithmsOf(settings), signal, bytes =>
					meter?.count('checksum', bytes),
				);
				await handle.sync();
				return {name: shown, plainSize: size, plainDigests: digests};
			}
			const written = await writeArtifact(
				{descriptor: handle.fd},
				{
					plainPath: path,
					role: 'dump',
					settings: {...settings, keepSource: false},
					signal,
					meter: meter && withoutEnds(meter),
				},
			);
			for (const file of written.files) await rename(file.partial, file.finalPath);
			if (settings.keepSource) await handle.sync();
			else await rm(path);
			const content = written.contents[0];
			if (!content) throw new PgBackError('BUG', `nothing was written of ${name}`);
			return {...content, name: shown};
		} finally {
			await handle.close();
		}
	}

	async bytesSoFar(): Promise<number> {
		let bytes = 0;
		for (const content of this.#done.values()) bytes += content.plainSize;
		for (const entry of await readdir(this.#directory, {withFileTypes: true})) {
			if (!entry.isFile() || this.#done.has(entry.name) || entry.name.endsWith('.age') || entry.name.endsWith('.part'))
				continue;
			const size = await stat(join(this.#directory, entry.name)).then(
				stats => stats.size,
				() => 0, // done and removed meanwhile
			);
			bytes += size;
		}
		return bytes;
	}

	contents(): Content[] {
		return [...this.#done.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
	}

	pending(directory: string) {
		const encrypted = this.#options.settings.encryption !== undefined;
		const contents = this.contents();
		const size = contents.reduce((sum, content) => sum + (content.cipherSize ?? content.plainSize), 0);
		return {
			partial: directory,
			finalPath: this.#options.plainPath,
			role: 'dump',
			size,
			encrypted,
			directory: true,
			contents,
			ship: true,
		} as const;
	}
}

/** A stage lasts as long as the whole dump, not as one member. */
function withoutEnds(meter: Meter): Meter {
	return {
		start: () => undefined,
		finish: () => undefined,
		watch: () => undefined,
		count: (stage, bytesIn, bytesOut) => meter.count(stage, bytesIn, bytesOut),
	};
}

/** The files that a process and its children (pg_dump's workers) have open, from /proc; undefined where there is none. */
async function openFiles(pid: number | undefined): Promise<ReadonlySet<string> | undefined> {
	if (pid === undefined || process.platform !== 'linux') return undefined;
	const paths = new Set<string>();
	for (const one of [pid, ...(await childrenOf(pid))]) {
		const directory = `/proc/${one}/fd`;
		const descriptors = await readdir(directory).catch(() => [] as string[]); // the process has ended
		for (const descriptor of descriptors) {
			const target = await readlink(join(directory, descriptor)).catch(() => undefined); // closed meanwhile
			if (target !== undefined) paths.add(target);
		}
	}
	return paths;
}

async function childrenOf(pid: number): Promise<number[]> {
	const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => ''); // the process has ended
	const direct = text.split(' ').filter(Boolean).map(Number);
	const below = await Promise.all(direct.map(childrenOf));
	return [...direct, ...below.flat()];
}
