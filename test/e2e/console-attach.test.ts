/** A console beside a run that goes on elsewhere: started by cron, or by a console whose terminal was lost. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, filesIn, scratchDirectory, shapesIn, startProgram} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';
import {keys, onTerminal} from './console-terminal.js';

let server: Cluster;

before(async () => {
	server = await startCluster({name: 'attach'});
	for (const name of ['alpha', 'beta']) await server.psql('postgres', `create database ${name}`);
});
after(async () => server.stop());

/** A pg_dump that holds alpha up until the file is there. */
function heldUp(): {readonly tools: readonly string[]; readonly release: () => void} {
	const go = join(scratchDirectory('go'), 'go');
	const {directory} = recordingTools({
		pg_dump: `case "$*" in *dbname=alpha\\ *) until [ -e '${go}' ]; do read -t 0.05 <> <(:); done;; esac; exec "$REAL" "$@"`,
	});
	return {tools: ['-B', directory], release: () => writeFileSync(go, '')};
}

const dumpsIn = (directory: string) => shapesIn(directory).filter(name => name.endsWith('.dump'));
const sockets = (directory: string) => filesIn(directory).filter(name => name.endsWith('.sock'));

describe('a run that goes on elsewhere', {timeout: 170_000}, () => {
	test('is on the first screen, is looked at, steered after questions, and goes on when the console leaves', async () => {
		const directory = scratchDirectory('cron');
		const {tools, release} = heldUp();
		const args = [...connectTo(server, directory), '--dump-only', ...tools];
		const cron = await startProgram([...args, '-j', '2', 'alpha', 'beta']);
		await cron.untilLog(/dump of beta .*done/);
		await using screen = await onTerminal(['-i', ...args]);
		await screen.sees(/backup of process \d+ on .*running for/);
		await screen.sees(/1 dumping/);
		await screen.sees(/enter attach/);
		screen.type(keys.enter);
		await screen.sees(/attached to the backup of process/);
		await screen.sees(/alpha .*dump●/);
		await screen.sees(/beta .*done/);
		// A backup of our own is not started over it, and x asks first.
		screen.type('x');
		await screen.sees('Cancel alpha?');
		await screen.sees(/It belongs to the backup of process/);
		screen.type(keys.escape);
		screen.type(keys.ctrlC);
		await screen.sees('detach: the run goes on');
		screen.type(keys.ctrlC);
		await screen.sees('Databases, by their newest good dump');
		screen.type(keys.enter);
		await screen.sees(/attached to the backup of process/);
		screen.type('x');
		await screen.sees('Cancel alpha?');
		screen.type('y');
		await screen.sees(/alpha .*cancelled/);
		await cron.untilLog(/WARN: an attached console canceled alpha/);
		const ended = await cron.ended;
		assert.notEqual(ended.code, 0);
		await screen.sees(/was attached to/);
		screen.type('q');
		await screen.sees('Databases, by their newest good dump');
		screen.type('q');
		assert.equal(await screen.status(), 0, 'the status is that of our own work');
		release();
		assert.deepEqual(dumpsIn(directory), ['beta_T.dump']);
	});

	test('a console whose terminal was lost is found again, and goes on when it is left', async () => {
		const directory = scratchDirectory('lost');
		const {tools, release} = heldUp();
		const args = [...connectTo(server, directory), '--dump-only', ...tools];
		await using lost = await onTerminal([...args, '-j', '2', 'alpha', 'beta']);
		await lost.sees(/beta .*done/);
		lost.close();
		await using screen = await onTerminal(['-i', ...args]);
		await screen.sees(/enter attach/);
		screen.type(keys.enter);
		await screen.sees(/alpha .*dump●/);
		screen.type('q');
		await screen.sees('Databases, by their newest good dump');
		screen.type('q');
		assert.equal(await screen.status(), 0);
		assert.equal(sockets(directory).length, 1, 'the run goes on');
		release();
		await waitFor(() => Promise.resolve(sockets(directory).length === 0), 'the end of the run', 60);
		assert.deepEqual(dumpsIn(directory), ['alpha_T.dump', 'beta_T.dump']);
	});
});
