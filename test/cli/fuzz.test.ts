import assert from 'node:assert/strict';
import {test} from 'node:test';
import {fuzzKind} from '../../scripts/fuzzing/fuzz-kind.js';
import {kinds} from '../../scripts/fuzzing/kinds.js';
import {makeText} from '../../scripts/fuzzing/texts.js';

const module = new URL('./fuzz-kinds.ts', import.meta.url).href;
const fuzz = (kind: string) => fuzzKind({kind, module, seconds: 0.3, seed: 7, limit: 0.5});

test('texts without a fault: how many', async () => {
	const {count, fault, seed} = await fuzz('good');
	assert.equal(fault, undefined);
	assert.ok(count > 100, String(count));
	assert.equal(seed, 7);
});

for (const [kind, reason] of [
	['throws', /^TypeError: not ours\n +at /],
	['bug', /ours, but a bug/],
	['hangs', /^a hang: more than 0.5 s of processor time$/],
	['never settles', /the thread ended with status 13/],
] as const) {
	test(`a fault is found and its text shortened: ${kind}`, async () => {
		const {fault} = await fuzz(kind);
		assert.match(fault?.reason ?? '', reason);
		assert.ok(fault?.text.includes('[') && fault.text.length <= 60, fault?.text);
	});
}

test('a text is made again from its seed and number', () => {
	for (const {samples} of Object.values(kinds)) {
		const texts = Array.from({length: 200}, (_, number) => makeText(3, number, samples));
		assert.deepEqual(
			texts,
			texts.map((_, number) => makeText(3, number, samples)),
		);
		assert.ok(new Set(texts).size > 150);
	}
});

test('each kind reads its own samples', async () => {
	for (const [kind, {read, samples}] of Object.entries(kinds))
		for (const text of samples) await assert.doesNotReject(async () => read(text), `${kind}: ${text}`);
});
