/** A purge that a signal ends: the log names what is gone, and the exit status is that of the signal. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {formatCount} from '../../source/lib/format.js';
import {type Running, scratchDirectory, startProgram} from '../helpers/program.js';
import {startS3Server} from '../helpers/s3-server.js';
import {configFile, impatient, s3Settings} from './remote-places.js';

const day = 86_400_000;
const nameOf = (daysAgo: number) =>
	`app_${new Date(Date.now() - daysAgo * day).toISOString().replace(/\.\d+Z$/, 'Z')}.dump`;

for (const [name, lacks, signalAt] of [
	['in batches', [], 1],
	['one by one', ['batches'], 10],
] as const) {
	test(`SIGTERM while objects are removed ${name}: each object that is gone is logged, and no other`, async () => {
		let program: Running | undefined;
		let deletes = 0;
		const server = await startS3Server({
			lacks,
			async before(action) {
				if (!/^Delete/.test(action) || ++deletes !== signalAt) return;
				program?.child.kill('SIGTERM');
				await program?.untilLog(/received SIGTERM/); // before the answer, after which the next batch is requested
			},
		});
		try {
			const object = {bytes: Buffer.from('x'), size: 1, etag: 'x', headers: {}, version: 'v'};
			const old = Array.from({length: 1200}, (_, index) => nameOf(100 + index));
			for (const key of [nameOf(0), ...old]) server.objects.set(key, {...object, modified: Date.now()});
			const config = configFile([...impatient, ...s3Settings(server.url)]);
			program = await startProgram(['-c', config, '-b', scratchDirectory('b'), '--purge', 's3', '-P', '30']);
			const {code, stderr} = await program.ended;
			assert.equal(code, 143, stderr);
			const gone = old.filter(key => !server.objects.has(key));
			assert.ok(gone.length > 0 && gone.length < old.length, stderr);
			const logged = [...stderr.matchAll(/ removing (\S+): /g)].map(([, key]) => key);
			assert.deepEqual(logged.toSorted(), gone.toSorted());
			assert.match(
				stderr,
				new RegExp(`the purge of s3://bucket/ was canceled after ${formatCount(gone.length)} of 1 200 removals\n`),
			);
		} finally {
			await server.close();
		}
	});
}
