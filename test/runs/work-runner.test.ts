/** Work for several servers on one bus: one server at a time, and reports that say which. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import {WorkRunner} from '../../source/runs/work-runner.js';
import {runContext} from '../helpers/run-context.js';

describe('work for another server', () => {
	it('has its configuration, is named in the event, and is refused while other work runs', async () => {
		const bus = createBus();
		const base = await runContext(['--no-config-file']);
		const runner = new WorkRunner({bus, base, host: 'here', pid: 1});
		const configuration = {...base.configuration, arguments: ['theirs']};
		const theirs = runner.forServer({name: 'db17', configuration});
		const names: (string | undefined)[] = [];
		bus.subscribe(event => event.type === 'run.started' && names.push(event.serverName));

		const {promise, resolve} = Promise.withResolvers<undefined>();
		let used: readonly string[] = [];
		const first = theirs.start('verify', async run => {
			used = run.configuration.arguments;
			await promise;
			return {exitCode: 0, outcome: 'done'};
		});
		assert.deepEqual(used, ['theirs']);
		assert.equal(bus.state().serverName, 'db17');
		const never = async () => assert.fail('this was refused');
		await assert.rejects(runner.startInBackground('backup', never), {code: 'USAGE', message: /db17 is running/});
		const refused = await runner.start('backup', never);
		assert.deepEqual([refused.outcome, refused.error?.code], ['failed', 'USAGE']);
		resolve(undefined);
		await first;
		await runner.start('backup', async () => ({exitCode: 0, outcome: 'done'}));
		assert.deepEqual(names, ['db17', undefined]);
		assert.equal(bus.state().serverName, undefined);
		assert.equal(runner.exitCode(), 0);
	});
});
