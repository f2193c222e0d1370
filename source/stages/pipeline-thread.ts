/**
 * Runs the pipeline in a worker that reads, hashes, encrypts and writes without an event loop: pg_dump writes 4 KiB at
 * a time, and delivering each piece to the main thread as an event costs more than its checksum. Workers are kept for
 * the next dump, and do not keep the process alive.
 */
import type {Worker} from 'node:worker_threads';
import {messageOf, PgBackError} from '../core/errors.js';
import {startThread} from '../lib/bundled.js';
import type {HashAndEncryptOptions, PipelineResult} from './pipeline.js';
import type {WorkerRequest, WorkerResponse} from './pipeline-worker.js';

const idle: Worker[] = [];

/** Starts a worker in advance. */
export function prepareWorker(): void {
	if (idle.length > 0) return;
	const worker = startThread('stages/pipeline-worker', {name: 'pass', env: {}});
	worker.unref();
	idle.push(worker);
}

/** Reads `descriptor` to its end; the caller closes it afterwards, and flushes or discards the sinks. */
export async function hashAndEncryptInWorker(
	descriptor: number,
	passage: HashAndEncryptOptions,
): Promise<PipelineResult> {
	const {algorithms, seal, plain, cipher, signal, onBytes} = passage;
	signal.throwIfAborted();
	const worker = idle.pop() ?? startThread('stages/pipeline-worker', {name: 'pass', env: {}});
	worker.ref();
	const stop = () => void worker.terminate();
	signal.addEventListener('abort', stop, {once: true});
	try {
		const passed = await new Promise<PipelineResult>((resolve, reject) => {
			worker.on('message', (answer: WorkerResponse) => {
				if (answer.type === 'bytes') {
					onBytes(answer.plain, answer.cipher);
					plain?.wrote(answer.plain);
					cipher?.wrote(answer.cipher);
				} else if (answer.type === 'done') resolve(answer.passed);
				else reject(asThrown(answer, plain?.finalPath, cipher?.finalPath));
			});
			worker.once('error', error =>
				reject(new PgBackError('BUG', `the dump worker failed: ${messageOf(error)}`, {cause: error})),
			);
			worker.once('exit', code => {
				const reason: unknown = signal.aborted ? signal.reason : undefined;
				reject(reason instanceof Error ? reason : new PgBackError('BUG', `the dump worker exited with code ${code}`));
			});
			worker.postMessage({
				descriptor,
				algorithms,
				seal,
				plain: plain?.descriptor,
				cipher: cipher?.descriptor,
			} satisfies WorkerRequest);
		});
		idle.push(worker);
		return passed;
	} finally {
		signal.removeEventListener('abort', stop);
		for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event); // its other listeners keep the process alive
		worker.unref();
		if (!idle.includes(worker)) void worker.terminate();
	}
}

/** Restores a system error to the form that it had before it was passed between threads. */
function asThrown(
	{message, where, ...rest}: Extract<WorkerResponse, {type: 'failed'}>,
	plain: string | undefined,
	cipher: string | undefined,
): Error {
	const {code, errno, syscall} = rest;
	const path = where === 'plain' ? plain : where === 'cipher' ? cipher : undefined;
	return Object.assign(new Error(message), {code, errno, syscall, ...(path !== undefined && {path})});
}
