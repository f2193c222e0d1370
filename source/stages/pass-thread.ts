/**
 * The same pass, in a thread of its own that reads, hashes, seals and writes without an event loop in between: pg_dump writes
 * 4 KiB at a time, and each piece that comes to the main thread as an event costs more than its hash. Threads are kept for the next
 * dump, and keep nobody alive.
 */
import {Worker} from 'node:worker_threads';
import {PgBackError, messageOf} from '../core/errors.js';
import type {Passage, Passed} from './pass-through.js';
import type {Answer, Order} from './pass-worker.js';

const idle: Worker[] = [];

/** Has a thread ready for the first that needs it. */
export function prepareThread(): void {
	if (idle.length > 0) return;
	const worker = startWorker();
	worker.unref();
	idle.push(worker);
}

/** Reads `descriptor` to its end, which the caller closes afterwards; the sinks are to be flushed or discarded by the caller. */
export async function passThread(descriptor: number, passage: Passage): Promise<Passed> {
	const {algorithms, seal, plain, cipher, signal, onBytes} = passage;
	signal.throwIfAborted();
	const worker = idle.pop() ?? startWorker();
	worker.ref();
	const stop = () => void worker.terminate();
	signal.addEventListener('abort', stop, {once: true});
	try {
		const passed = await new Promise<Passed>((resolve, reject) => {
			worker.on('message', (answer: Answer) => {
				if (answer.type === 'bytes') {
					onBytes(answer.plain, answer.cipher);
					plain?.wrote(answer.plain);
					cipher?.wrote(answer.cipher);
				} else if (answer.type === 'done') resolve(answer.passed);
				else reject(asThrown(answer, plain?.finalPath, cipher?.finalPath));
			});
			worker.once('error', error =>
				reject(new PgBackError('BUG', `a thread died: ${messageOf(error)}`, {cause: error})),
			);
			worker.once('exit', code => {
				const reason: unknown = signal.aborted ? signal.reason : undefined;
				reject(reason instanceof Error ? reason : new PgBackError('BUG', `a thread ended with ${code}`));
			});
			worker.postMessage({
				descriptor,
				algorithms,
				seal,
				plain: plain?.descriptor,
				cipher: cipher?.descriptor,
			} satisfies Order);
		});
		idle.push(worker);
		return passed;
	} finally {
		signal.removeEventListener('abort', stop);
		for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event); // its own others keep it going
		worker.unref();
		if (!idle.includes(worker)) void worker.terminate();
	}
}

function startWorker(): Worker {
	const name = import.meta.url.endsWith('.ts') ? './pass-worker.ts' : './pass-worker.js';
	return new Worker(new URL(name, import.meta.url), {name: 'pass', env: {}});
}

/** A system error, as it was before it crossed between threads. */
function asThrown(
	{message, where, ...rest}: Extract<Answer, {type: 'failed'}>,
	plain: string | undefined,
	cipher: string | undefined,
): Error {
	const {code, errno, syscall} = rest;
	const path = where === 'plain' ? plain : where === 'cipher' ? cipher : undefined;
	return Object.assign(new Error(message), {code, errno, syscall, ...(path !== undefined && {path})});
}
