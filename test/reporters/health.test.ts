import assert from 'node:assert/strict';
import {test} from 'node:test';
import {emptyState} from '../../source/core/state.js';
import type {HttpClients} from '../../source/lib/http/http.js';
import {createHealthReporter} from '../../source/reporters/health.js';

test('the end is reported when the start was answered, so that it arrives last', async () => {
	const paths: string[] = [];
	const waiting: ((response: Response) => void)[] = [];
	const fetch: HttpClients['fetch'] = async url => {
		paths.push(new URL(String(url)).pathname);
		return new Promise(resolve => waiting.push(resolve));
	};
	const health = createHealthReporter({
		url: 'https://health.example/uuid',
		fetch,
		onProblem: text => assert.equal(text, ''),
	});
	const reports = [health.start(emptyState), health.finish(emptyState)];
	await new Promise(setImmediate);
	assert.deepEqual(paths, ['/uuid/start']);
	waiting.shift()?.(new Response());
	await reports[0];
	await new Promise(setImmediate);
	assert.deepEqual(paths, ['/uuid/start', '/uuid/fail']);
	waiting.shift()?.(new Response());
	await Promise.all(reports);
});
