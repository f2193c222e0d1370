/**
 * Runs the pipeline in a worker that reads, hashes, encrypts and writes without an event loop: pg_dump writes 4 KiB at
 * a time, and delivering each piece to the main thread as an event costs more than its checksum. Workers are kept for
 * the next dump, and do not keep the process alive.
 */
import type {Worker} from 'node:worker_threads';
import {messageOf, PgBackError} from '../core/errors.js';
import {startThread} from '../lib/bundled.js';
import type {HashAndEncryptOptions, PipelineResult} from './pipeline.js';
import type {MembersRequest, WorkerRequest, WorkerResponse} from './pipeline-worker.js';
import type {Copied, CopyRequest, CountRequest} from './range-worker.js';
import type {SmallMemberResult, SmallMemberSettings} from './small-members.js';

const idle: Worker[] = [];

/** Starts a worker in advance. */
export function prepareWorker(): void {
	if (idle.length > 0) return;
	const worker = startThread('stages/pipeline-worker', {name: 'pipeline', env: {}});
	worker.unref();
	idle.push(worker);
}

/** Reads `descriptor` to its end; the caller closes it afterwards, and flushes or discards the sinks. */
export async function hashAndEncryptInWorker(
	descriptor: number,
	options: HashAndEncryptOptions,
): Promise<PipelineResult> {
	const {algorithms, seal, plain, cipher, isDump, signal, onBytes} = options;
	const request = {
		descriptor,
		algorithms,
		seal,
		isDump,
		plain: plain?.descriptor,
		cipher: cipher?.descriptor,
	};
	const response = await ask({type: 'stream', ...request}, signal, {
		onBytes(answer) {
			onBytes(answer.plain, answer.cipher);
			plain?.wrote(answer.plain);
			cipher?.wrote(answer.cipher);
		},
		pathOf: where => (where === 'plain' ? plain?.finalPath : where === 'cipher' ? cipher?.finalPath : undefined),
	});
	return expected(response, 'done').result;
}

/**
 * Processes small members one after the other; see `processSmallMember`. Returns their results, in order; fewer if one
 * has changed, which ends it. Throws system errors, with the path.
 */
export async function processInWorker(
	members: MembersRequest['members'],
	settings: SmallMemberSettings,
	signal: AbortSignal,
): Promise<readonly SmallMemberResult[]> {
	return expected(await ask({type: 'members', members, settings}, signal), 'members').results;
}

/** Flushes files to disk, one after the other. Throws system errors, with the path. */
export async function flushInWorker(paths: readonly string[], signal: AbortSignal): Promise<void> {
	expected(await ask({type: 'flush', paths}, signal), 'flushed');
}

/**
 * Reads one COPY from the pipe and writes it; `path` is the name of the file in errors. `onBytes` is called with the
 * number of bytes as they arrive. Throws system errors.
 */
export async function copyInWorker(
	request: Omit<CopyRequest, 'type'>,
	{
		path,
		signal,
		onBytes,
	}: {readonly path: string; readonly signal: AbortSignal; readonly onBytes: (bytes: number) => void},
): Promise<Copied> {
	const response = await ask({type: 'copy', ...request}, signal, {
		onBytes: ({plain}) => onBytes(plain),
		pathOf: where => (where === 'plain' ? path : undefined),
	});
	return expected(response, 'copied').copied;
}

/** Counts the rows of such a file. Throws an Error when it is damaged, and system errors. */
export async function countInWorker(request: Omit<CountRequest, 'type'>, signal: AbortSignal): Promise<number> {
	return expected(await ask({type: 'count', ...request}, signal), 'counted').rows;
}

type Last = Exclude<WorkerResponse, {type: 'bytes'}>;
type Failed = Extract<WorkerResponse, {type: 'failed'}>;

type Listener = {
	readonly onBytes?: (answer: Extract<WorkerResponse, {type: 'bytes'}>) => void;
	/** Returns the path that an error is about. */
	readonly pathOf?: (where: Failed['where']) => string | undefined;
};

/** Gives the request to a worker of its own and returns its last answer. An abort ends the worker. */
async function ask(request: WorkerRequest, signal: AbortSignal, {onBytes, pathOf}: Listener = {}): Promise<Last> {
	signal.throwIfAborted();
	const worker = idle.pop() ?? startThread('stages/pipeline-worker', {name: 'pipeline', env: {}});
	worker.ref();
	const stop = () => void worker.terminate();
	signal.addEventListener('abort', stop, {once: true});
	try {
		const last = await new Promise<Last>((resolve, reject) => {
			worker.on('message', (answer: WorkerResponse) => {
				if (answer.type === 'bytes') onBytes?.(answer);
				else if (answer.type === 'failed') reject(asThrown(answer, answer.path ?? pathOf?.(answer.where)));
				else resolve(answer);
			});
			worker.once('error', error =>
				reject(new PgBackError('BUG', `the dump worker failed: ${messageOf(error)}`, {cause: error})),
			);
			worker.once('exit', code => {
				const reason: unknown = signal.aborted ? signal.reason : undefined;
				reject(reason instanceof Error ? reason : new PgBackError('BUG', `the dump worker exited with code ${code}`));
			});
			worker.postMessage(request);
		});
		idle.push(worker);
		return last;
	} finally {
		signal.removeEventListener('abort', stop);
		for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event); // its other listeners keep the process alive
		worker.unref();
		if (!idle.includes(worker)) void worker.terminate();
	}
}

function expected<Type extends Last['type']>(answer: Last, type: Type): Extract<Last, {type: Type}> {
	if (answer.type !== type) throw new PgBackError('BUG', `the dump worker answered ${answer.type} instead of ${type}`);
	return answer as Extract<Last, {type: Type}>;
}

/** Restores a system error to the form that it had before it was passed between threads. */
function asThrown({message, code, errno, syscall}: Failed, path: string | undefined): Error {
	return Object.assign(new Error(message), {code, errno, syscall, ...(path !== undefined && {path})});
}
