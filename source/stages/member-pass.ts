/** Processes the members of a directory dump: each is hashed, encrypted and removed as soon as pg_dump has finished it. */
import {constants} from 'node:fs';
import {open, readdir, rename, rm, stat} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {filesBelow, partialPattern, recordModeRefusal, setMode} from '../lib/files.js';
import {inParallel} from '../lib/in-parallel.js';
import {withStats} from '../lib/stat-files.js';
import type {Seal} from './age/sealer.js';
import {algorithmsOf, type ArtifactOptions, type Content, writeArtifact} from './artifact.js';
import {hashHandle} from './hash.js';
import type {Meter} from './meter.js';
import {flushInWorker, processInWorker} from './pipeline-thread.js';
import {smallMember} from './small-members.js';

export const tableOfContents = 'toc.dat';

/** Members that one message gives to the worker: their headers are made here meanwhile, so it should not last long. */
const batchSize = 32;
/** With fewer small members in a pass, starting a worker takes longer than it saves, unless they are encrypted. */
const fewMembers = 16;

type Small = {readonly name: string; readonly size: number};

/** Writes members of its own beside pg_dump. */
export type Companion = {
	/**
	 * Writes into the directory while pg_dump runs; `dumped` resolves when that has succeeded. A member has a partial name
	 * until it is complete. A failure stops pg_dump.
	 */
	readonly write: (directory: string, signal: AbortSignal, dumped: Promise<void>) => Promise<void>;
	/**
	 * Called when pg_dump and `write` have ended: enters the members in the table of contents. Returns the names of those
	 * that are not entered, which are removed.
	 */
	readonly enter: (directory: string, signal: AbortSignal) => Promise<readonly string[]>;
	/** Returns the rows of a member, if it is one of these. */
	readonly rowsOf: (member: string) => number | undefined;
};

export class MemberPass {
	readonly #directory: string;
	readonly #options: ArtifactOptions;
	readonly #done = new Map<string, Content>();
	/** Resolves when no large member is being encrypted: one at a time, as each takes a worker. */
	#large: Promise<unknown> = Promise.resolve();
	/** Resolves when no small member is being processed: they share one worker. */
	#small: Promise<unknown> = Promise.resolve();
	/** Paths of members that are complete, but may not be on disk yet. */
	#unflushed: string[] = [];
	readonly #companion: Companion | undefined;
	/** The table of contents must not be processed before it is complete and has been checked. */
	#held: string | undefined = tableOfContents;

	constructor(directory: string, options: ArtifactOptions, companion?: Companion) {
		this.#directory = directory;
		this.#options = options;
		this.#companion = companion;
		if (algorithmsOf(options.settings).length > 0) options.meter?.start('checksum');
		if (options.settings.encryption) options.meter?.start('encrypt');
	}

	/**
	 * Processes each finished member that is not open. A member is opened only once, when it is created, so one that is
	 * listed and no longer open is finished. `openFiles` returns absolute paths; undefined if the system does not provide
	 * them (then everything is processed at the end).
	 */
	async pass(openFiles: () => Promise<ReadonlySet<string> | undefined>): Promise<void> {
		const names = await this.names();
		const open = await openFiles();
		if (open === undefined) return;
		const {small, other} = await this.#bySize(this.finished(names, open));
		const isMany = small.length >= fewMembers || this.#options.settings.encryption !== undefined;
		if (isMany) await this.#processSmall(small);
		await inParallel(isMany ? other : [...small.map(({name}) => name), ...other], async name => {
			await this.#processLarge(name);
		});
	}

	/** Returns all files, with those of ours. */
	names(): Promise<string[]> {
		return filesBelow(this.#directory);
	}

	/** Returns those of `names` that pg_dump has finished, and that are not processed. `open` are absolute paths. */
	finished(names: readonly string[], open: ReadonlySet<string>): readonly string[] {
		return names.filter(
			name =>
				!this.#done.has(name) &&
				name !== this.#held &&
				!name.endsWith('.age') &&
				!partialPattern.test(basename(name)) &&
				!open.has(join(this.#directory, name)),
		);
	}

	async process(name: string): Promise<Content> {
		const {small} = await this.#bySize([name]);
		if (small.length > 0 && this.#options.settings.encryption) await this.#processSmall(small);
		else await this.#processLarge(name);
		const content = this.#done.get(name);
		if (!content) throw new PgBackError('BUG', `${name} was not processed`);
		return content;
	}

	/** The table of contents is complete: it is processed with the next pass. Removes `unused` members. */
	async release(unused: readonly string[]): Promise<void> {
		this.#held = undefined;
		for (const name of unused) {
			const paths = [join(this.#directory, name), join(this.#directory, `${name}.age`)];
			for (const path of paths) await rm(path, {force: true});
			this.#done.delete(name);
			this.#unflushed = this.#unflushed.filter(path => !paths.includes(path));
		}
	}

	/**
	 * Flushes what was left unflushed, after pg_dump has finished: the first flush then writes the file system's journal for all members,
	 * and thousands of them take little longer than one.
	 */
	async flush(): Promise<void> {
		const {signal} = this.#options;
		if (this.#unflushed.length >= fewMembers) {
			await flushInWorker(this.#unflushed, signal);
			return;
		}
		await inParallel(this.#unflushed, async path => {
			signal.throwIfAborted();
			const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
			try {
				await handle.sync();
			} finally {
				await handle.close();
			}
		});
	}

	async #bySize(names: readonly string[]) {
		const small: Small[] = [];
		const other: string[] = [];
		for await (const entries of withStats(names, name => join(this.#directory, name))) {
			for (const [name, stats] of entries) {
				if (stats?.isFile() && stats.size <= smallMember) small.push({name, size: stats.size});
				else other.push(name);
			}
		}
		return {small, other};
	}

	/** Lets the worker process them, a batch at a time; the headers of the next batch are made meanwhile. */
	async #processSmall(members: readonly Small[]): Promise<void> {
		for (let start = 0; start < members.length; start += batchSize) {
			const batch = members.slice(start, start + batchSize);
			const seals = await this.#seals(batch.length);
			const before = this.#small;
			this.#small = before.then(async () => this.#processBatch(batch, seals));
			this.#small.catch(() => undefined); // thrown below
			await before;
		}
		await this.#small;
	}

	async #seals(count: number): Promise<readonly Seal[]> {
		const {settings, signal} = this.#options;
		if (!settings.encryption) return [];
		const {createSeal} = await import('./age/encrypt.js');
		const seals: Seal[] = [];
		for (let index = 0; index < count; index++) seals.push(await createSeal(settings.encryption, signal));
		return seals;
	}

	async #processBatch(batch: readonly Small[], seals: readonly Seal[]): Promise<void> {
		const {settings, signal, meter, plainPath} = this.#options;
		const members = batch.map(({name, size}, index) => ({path: join(this.#directory, name), size, seal: seals[index]}));
		const results = await processInWorker(
			members,
			{algorithms: algorithmsOf(settings), mode: settings.mode, keepSource: settings.keepSource},
			signal,
		);
		for (const [index, {path, size}] of members.entries()) {
			const result = results[index];
			if (!result) throw changed(path);
			const {modeRefused, ...content} = result;
			if (modeRefused) recordModeRefusal(path);
			const name = batch[index]?.name ?? '';
			this.#done.set(name, {...content, name: `${basename(plainPath)}/${name}`});
			if (algorithmsOf(settings).length > 0) meter?.count('checksum', size);
			if (content.cipherSize === undefined || settings.keepSource) this.#unflushed.push(path);
			if (content.cipherSize === undefined) continue;
			meter?.count('encrypt', size, content.cipherSize);
			this.#unflushed.push(`${path}.age`);
		}
	}

	async #processLarge(name: string): Promise<void> {
		this.#options.signal.throwIfAborted();
		this.#done.set(name, await this.#process(name));
	}

	async #process(name: string): Promise<Content> {
		const {settings, signal, meter, plainPath} = this.#options;
		const path = join(this.#directory, name);
		const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
		try {
			const shown = `${basename(plainPath)}/${name}`;
			if (settings.mode !== undefined) await setMode(path, settings.mode & 0o777, {handle});
			if (!settings.encryption) {
				const {size, digests} = await hashHandle(handle, algorithmsOf(settings), signal, chunk =>
					meter?.count('checksum', chunk.byteLength),
				);
				this.#unflushed.push(path);
				return {name: shown, plainSize: size, plainDigests: digests};
			}
			const writing = this.#large.then(() =>
				writeArtifact(
					{descriptor: handle.fd},
					{
						plainPath: path,
						role: 'dump',
						settings: {...settings, keepSource: false},
						signal,
						meter: meter && withoutEnds(meter),
					},
				),
			);
			this.#large = writing.catch(() => undefined); // thrown here
			const written = await writing;
			for (const file of written.files) {
				await file.flushed;
				await rename(file.partial, file.finalPath);
			}
			const content = written.contents[0];
			if (!content) throw new PgBackError('BUG', `pg_dump did not write ${name}`);
			if ((await handle.stat()).size !== content.plainSize) throw changed(path);
			if (settings.keepSource) await handle.sync();
			else await rm(path);
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
				() => 0, // processed and removed in the meantime
			);
			bytes += size;
		}
		return bytes;
	}

	contents(): Content[] {
		const contents = [...this.#done].map(([member, content]) => {
			const rows = this.#companion?.rowsOf(member);
			return rows === undefined ? content : {...content, rows};
		});
		return contents.toSorted((a, b) => (a.name < b.name ? -1 : 1));
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

export function changed(path: string): PgBackError {
	return new PgBackError('DUMP_FAILED', `${path} changed after pg_dump had closed it`);
}

/** Ignores the end of a stage: it lasts as long as the whole dump, not one member. */
function withoutEnds(meter: Meter): Meter {
	return {
		start: () => undefined,
		finish: () => undefined,
		watch: () => undefined,
		countSlots: () => undefined,
		count: (stage, bytesIn, bytesOut) => meter.count(stage, bytesIn, bytesOut),
	};
}
