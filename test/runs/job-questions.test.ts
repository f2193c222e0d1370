import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createJobQuestions} from '../../source/runs/job-questions.js';

const question = {kind: 'replace', name: 'app'} as never;

describe('questions of jobs', () => {
	it('resolve with the answer of their job', async () => {
		const questions = createJobQuestions();
		const answer = questions.ask('restore:app', question, new AbortController().signal);
		questions.answer('restore:other', 'no');
		questions.answer('restore:app', 'app');
		assert.equal(await answer, 'app');
	});

	it('reject with the reason of the signal, also of one that was aborted before', async () => {
		const questions = createJobQuestions();
		const abort = new AbortController();
		const answer = questions.ask('restore:app', question, abort.signal);
		abort.abort(new Error('cancelled'));
		await assert.rejects(answer, /cancelled/);
		await assert.rejects(questions.ask('restore:app', question, abort.signal), /cancelled/);
	});
});
