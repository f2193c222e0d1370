/**
 * Uploads the members of a directory dump while pg_dump runs (`spool_limit`). Each is removed here once it is stored and
 * proven, so a failed upload is a failed dump: what is stored of it is removed again.
 */
import {constants} from 'node:fs';
import {type FileHandle, open, rm} from 'node:fs/promises';
import {CancelledError, messageOf, PgBackError} from '../core/errors.js';
import {discardPartial} from '../lib/files.js';
import {plural} from '../lib/format.js';
import {readChunks, type ReadInto} from '../lib/read-chunks.js';
import type {PutSource} from '../storage/storage.js';
import {changed} from './member-pass.js';
import type {Meter} from './meter.js';
import {abandonGrace, removeStored} from './remove-stored.js';
import {fileSource, put, type Shipment, type Target} from './send-file.js';
import type {Spool, SpooledMember} from './spool.js';
import {announceSpool} from './stream-record.js';
import {lostWith, unproven} from './upload-errors.js';

/** Milliseconds that one hold of pg_dump may take without progress, longer than requests are retried. */
const longestHold = 3_600_000;

type Sending = {
	/** Not the job's signal: a request that is already complete is awaited, so that it cannot create the object later. */
	readonly abort: AbortController;
	isRead: boolean;
};

export class MemberUploads implements Spool {
	readonly limit: number;
	readonly longestHold = longestHold;
	readonly #target: Target;
	readonly #path: string;
	readonly #shipments: Shipment[] = [];
	/** Keys of what is stored, or may be. */
	readonly #sent = new Set<string>();
	readonly #running = new Map<Sending, Promise<Shipment>>();
	#cancelled: CancelledError | undefined;
	#begun: Promise<() => Promise<void>> | undefined;
	#last: SpooledMember | undefined;
	#slots = 0;
	#progressAt = performance.now();

	/** `path` is the final path of the dump, `limit` the bytes on this disk above which pg_dump is held. */
	constructor({options, meter, ...target}: Target, path: string, limit: number) {
		this.limit = limit;
		this.#path = path;
		const counted: Meter = {
			...{start: stage => meter.start(stage), finish: (stage, outcome) => meter.finish(stage, outcome)},
			watch: (stage, size) => meter.watch(stage, size),
			count: (stage, bytesIn, bytesOut) => {
				if (bytesIn > 0) this.#progressAt = performance.now();
				meter.count(stage, bytesIn, bytesOut);
			},
			countSlots: change => {
				if (this.#slots === 0) this.#progressAt = performance.now();
				this.#slots += change;
				meter.countSlots(change);
			},
		};
		// With `deleteLocal` every upload is proven, or fails.
		this.#target = {...target, options: {...options, deleteLocal: true}, meter: counted};
		if (target.signal.aborted) this.cancel();
		else target.signal.addEventListener('abort', () => this.cancel(), {once: true});
	}

	stalledFor(): number {
		return this.#slots === 0 ? 0 : performance.now() - this.#progressAt;
	}

	log(level: 'info' | 'warn' | 'debug', text: string): void {
		const {options, job} = this.#target;
		options.emit({type: 'log', level, text, job});
	}

	async take(member: SpooledMember): Promise<void> {
		this.#shipments.push(await this.#send(member));
		await rm(member.path);
	}

	takeLast(member: SpooledMember): void {
		this.#last = member;
	}

	cancel(): void {
		if (this.#cancelled) return;
		const failure = new CancelledError('the dump failed');
		this.#cancelled = failure;
		for (const {abort, isRead} of this.#running.keys()) if (!isRead) abort.abort(failure);
		const abortAll = () => [...this.#running.keys()].forEach(({abort}) => abort.abort(failure));
		const timer = setTimeout(abortAll, abandonGrace);
		void Promise.allSettled(this.#running.values()).then(() => clearTimeout(timer));
	}

	/** Uploads the table of contents, which makes the dump visible as complete, and removes `partial`, the directory here. */
	async finish(partial: string): Promise<void> {
		const last = this.#last;
		if (!last) throw new PgBackError('BUG', `${this.#path} has no table of contents`);
		this.#shipments.push(await this.#send(last));
		this.#throwIfCancelled();
		await discardPartial(partial).catch((error: unknown) => {
			this.log('warn', `cannot remove ${partial}: ${messageOf(error)}`);
		});
		await (
			await this.#begun
		)?.();
	}

	/** What is stored, once `finish` has ended. */
	get shipments(): readonly Shipment[] {
		return this.#shipments;
	}

	/** Aborts the uploads, and removes what is stored. What cannot be removed is left to the next run. */
	async abandon(): Promise<void> {
		this.cancel();
		await Promise.allSettled(this.#running.values());
		const begun = await this.#begun?.catch(() => undefined); // thrown by `take`
		const {options} = this.#target;
		const last = this.#last && options.keyFor(this.#last.finalPath);
		const isComplete = last !== undefined && this.#sent.delete(last);
		const left = isComplete ? await removeStored(options.storage, [last]) : [];
		// With its table of contents it is a complete dump, which must not lose members.
		if (left.length === 0) left.push(...(await removeStored(options.storage, [...this.#sent])));
		const [first] = left;
		if (!first) return begun?.();
		const others = left.length > 1 ? ` and ${plural(left.length - 1, 'more file')}` : '';
		const state = others === '' ? first.state : first.state.replace('is', 'are');
		const text = `${first.key}${others} of the failed dump ${state} at ${options.storage.location}: ${first.why}`;
		this.log('warn', `${text}; the next run removes them`);
	}

	async #send(member: SpooledMember): Promise<Shipment> {
		const sending: Sending = {abort: new AbortController(), isRead: false};
		const shipment = this.#sendNow(member, sending).catch((error: unknown) => {
			throw lostWith(error);
		});
		this.#running.set(sending, shipment);
		return shipment.finally(() => this.#running.delete(sending));
	}

	async #sendNow({path, finalPath, size, sha256}: SpooledMember, sending: Sending): Promise<Shipment> {
		const {options, meter} = this.#target;
		const {signal} = sending.abort;
		this.#throwIfCancelled();
		await (this.#begun ??= announceSpool(options, this.#path, signal));
		this.#throwIfCancelled();
		meter.start('upload');
		const key = options.keyFor(finalPath);
		const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
		try {
			if ((await handle.stat()).size !== size) throw changed(path);
			this.#sent.add(key);
			const facts = {size: () => size, sha256: () => sha256};
			const shipment = await put({...this.#target, signal}, finalPath, this.#source(handle, size, sending), facts);
			if (!shipment.proven) throw unproven(shipment);
			if ((await handle.stat()).size !== size) throw changed(path);
			return shipment;
		} catch (error) {
			// Another process has created it.
			if (error instanceof PgBackError && error.code === 'EXISTS') this.#sent.delete(key);
			throw error;
		} finally {
			await handle.close();
		}
	}

	/** Returns a source that fails when the dump has failed: the request is then never complete. */
	#source(handle: FileHandle, size: number, sending: Sending): PutSource {
		const file = fileSource(handle, size);
		const readInto: ReadInto = async (target, offset, signal) => {
			sending.isRead = true;
			this.#throwIfCancelled();
			return file.readInto(target, offset, signal);
		};
		return {size, read: (offset, signal) => readChunks(readInto, offset, signal), readInto};
	}

	#throwIfCancelled(): void {
		if (this.#cancelled) throw this.#cancelled;
	}
}
