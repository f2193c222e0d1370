import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {describe, it} from 'node:test';
import {pathToFileURL} from 'node:url';

const memory = pathToFileURL('source/lib/memory.ts').href;

/** Counts collections of garbage that nobody else asks for while 100,000 things are counted in a process of its own. */
function collections(mode: 'saveMemory' | 'spendMemory'): number {
	const script = `
		import {PerformanceObserver} from 'node:perf_hooks';
		import {setImmediate} from 'node:timers/promises';
		import {createCollector, ${mode}} from '${memory}';
		${mode}();
		let forced = 0;
		new PerformanceObserver(list => (forced += list.getEntries().filter(one => (one.detail.flags & 4) !== 0).length)).observe({entryTypes: ['gc']});
		const collect = createCollector(20_000);
		for (let page = 0; page < 100; page++) collect(1000);
		await setImmediate();
		await setImmediate();
		console.log(forced);`;
	const args = ['--import', 'tsx', '--input-type=module', '-e', script];
	return Number(execFileSync(process.execPath, args, {encoding: 'utf8'}));
}

describe('collections of garbage during long listings', () => {
	it('happen after each so many keys while memory is saved', () => assert.equal(collections('saveMemory'), 5));

	it('do not hold up a console', () => assert.equal(collections('spendMemory'), 0));
});
