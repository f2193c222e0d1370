/** Gives each member of a directory dump to the upload as soon as pg_dump has finished it, and holds pg_dump meanwhile if necessary. */
import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {display} from '../lib/display.js';
import {formatBytes} from '../lib/format.js';
import {TaskQueue} from '../lib/task-queue.js';
import {untilAborted} from '../lib/until-aborted.js';
import type {Child} from '../process/child.js';
import {openFiles} from '../process/open-files.js';
import {type Content, storedDigests} from './artifact.js';
import type {DumpCommand} from './dump.js';
import {Hold, shouldHold} from './hold.js';
import {type MemberPass, tableOfContents} from './member-pass.js';
import type {Spool, SpooledMember} from './spool.js';

/** Milliseconds between two scans: what pg_dump writes in this time may exceed the limit. */
const scanInterval = 100;
/** Members that are processed and uploaded at once; the storage has its own limit for all jobs together. */
const membersAtOnce = 8;

export type SpoolPassesOptions = {
	readonly members: MemberPass;
	readonly spool: Spool;
	readonly command: Pick<DumpCommand, 'what' | 'env'>;
	readonly plainPath: string;
	/** The real path of the directory that pg_dump fills. */
	readonly directory: string;
	readonly encrypted: boolean;
	readonly signal: AbortSignal;
};

export class SpoolPasses {
	readonly #options: SpoolPassesOptions;
	readonly #queue: TaskQueue<string>;
	/** Members that the queue has, or had. */
	readonly #taken = new Set<string>();
	/** The bytes of members that pg_dump has finished and that are still here. */
	readonly #sizes = new Map<string, number>();
	#hold: Hold | undefined;
	#warned = false;

	constructor(options: SpoolPassesOptions) {
		this.#options = options;
		this.#queue = new TaskQueue(membersAtOnce, async name => {
			const content = await options.members.process(name);
			await options.spool.take(this.#describe(name, content));
			this.#sizes.delete(name);
		});
	}

	async watch(child: Child, over: AbortSignal): Promise<void> {
		const {spool, command} = this.#options;
		const hold = new Hold({child, env: command.env, spool, what: command.what});
		this.#hold = hold;
		while (!over.aborted) {
			await this.#scan(child.pid, hold);
			await delay(scanInterval, undefined, {signal: over}).catch(() => undefined); // pg_dump has exited
		}
	}

	async finish(): Promise<void> {
		const {members, spool, signal} = this.#options;
		await this.#hold?.end();
		const names = await members.names();
		this.#takeFinished(names, new Set());
		await untilAborted(this.#queue.idle(), signal);
		if (!names.includes(tableOfContents)) return;
		spool.takeLast(this.#describe(tableOfContents, await members.process(tableOfContents)));
	}

	async abandon(error: unknown): Promise<void> {
		this.#queue.stop(error);
		this.#options.spool.cancel();
		await this.#hold?.end();
		await this.#queue.idle().catch(() => undefined); // the caller throws `error`
	}

	async #scan(pid: number | undefined, hold: Hold): Promise<void> {
		const {members, spool} = this.#options;
		this.#queue.throwIfFailed();
		const isStopped = await hold.isStopped();
		const names = await members.names();
		const open = await openFiles(pid);
		if (open) this.#takeFinished(names, open);
		const bytes = await this.#bytesOf(names);
		const {isHeld} = hold;
		const canShip = this.#queue.size > 0;
		const isStuck = bytes > spool.limit && !canShip && (!isHeld || isStopped);
		if (isStuck) this.#warn(names, bytes);
		await hold.set(shouldHold({bytes, limit: spool.limit, canShip, isHeld, isStopped}), bytes);
	}

	#takeFinished(names: readonly string[], open: ReadonlySet<string>): void {
		for (const name of this.#options.members.finished(names, open)) {
			if (name === tableOfContents || this.#taken.has(name)) continue;
			this.#taken.add(name);
			this.#queue.add(name);
		}
	}

	async #bytesOf(names: readonly string[]): Promise<number> {
		let bytes = 0;
		for (const name of names) {
			const known = this.#sizes.get(name);
			const size = known ?? (await this.#sizeOf(name));
			if (known === undefined && this.#taken.has(name)) this.#sizes.set(name, size);
			bytes += size;
		}
		return bytes;
	}

	async #sizeOf(name: string): Promise<number> {
		return stat(join(this.#options.directory, name)).then(
			stats => stats.size,
			() => 0, // uploaded and removed in the meantime
		);
	}

	/** Warns once: the limit is exceeded by what pg_dump still writes. */
	#warn(names: readonly string[], bytes: number): void {
		if (this.#warned) return;
		this.#warned = true;
		const {spool, command} = this.#options;
		const open = names.filter(name => !this.#taken.has(name) && name !== tableOfContents && !name.endsWith('.age'));
		const text = `${command.what}: ${formatBytes(bytes)} are on this disk, more than spool_limit allows: a table is uploaded only when pg_dump has written all of it (${display(open.join(', '))})`;
		spool.log('warn', text);
	}

	#describe(name: string, content: Content): SpooledMember {
		const {directory, plainPath, encrypted} = this.#options;
		const stored = encrypted ? `${name}.age` : name;
		return {
			path: join(directory, stored),
			finalPath: join(plainPath, stored),
			size: content.cipherSize ?? content.plainSize,
			sha256: storedDigests(content, encrypted)?.sha256,
		};
	}
}
