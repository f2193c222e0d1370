/** Questions of jobs that wait for a person's answer. */
import type {JobQuestion} from '../core/events.js';

export type JobQuestions = {
	/** Resolves with the answer; rejects with the signal's reason. */
	readonly ask: (job: string, question: JobQuestion, signal: AbortSignal) => Promise<string>;
	/** Answers the job that waits, if it does. */
	readonly answer: (job: string, text: string) => void;
};

export function createJobQuestions(): JobQuestions {
	const waiting = new Map<string, (text: string) => void>();
	return {
		async ask(job, _question, signal) {
			signal.throwIfAborted();
			const {promise, resolve, reject} = Promise.withResolvers<string>();
			const onAbort = () => reject(signal.reason as Error);
			signal.addEventListener('abort', onAbort, {once: true});
			waiting.set(job, resolve);
			try {
				return await promise;
			} finally {
				waiting.delete(job);
				signal.removeEventListener('abort', onAbort);
			}
		},
		answer: (job, text) => waiting.get(job)?.(text),
	};
}
