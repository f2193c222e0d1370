/** Checksum files that cannot all be written leave none behind. */
import assert from 'node:assert/strict';
import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {generateX25519Identity, identityToRecipient} from 'age-encryption';
import {once} from '../../source/lib/single-chunk.js';
import {parseRecipients} from '../../source/stages/age/recipients.js';
import {discardAll, writeArtifact} from '../../source/stages/artifact.js';
import {writeChecksums} from '../../source/stages/checksum.js';

test('a signal between the checksum files of an encrypted dump leaves no partial file', async () => {
	const directory = mkdtempSync(join(tmpdir(), 'pgb-checksum-'));
	try {
		const encryption = parseRecipients([await identityToRecipient(await generateX25519Identity())]);
		const settings = {
			...({run: 'abcdef', mode: 0o600, algorithm: 'sha256', extraAlgorithms: [], keepSource: false} as const),
			encryption,
		};
		const plainPath = join(directory, 'a.dump');
		const dump = await writeArtifact(once(Buffer.from('dump')), {
			plainPath,
			role: 'dump',
			settings,
			signal: new AbortController().signal,
		});
		// The stages ask the signal as they go: after each number of questions it is aborted once.
		let stopped = 0;
		for (let questions = 0; ; questions++) {
			let left = questions;
			const controller = new AbortController();
			const signal = new Proxy(controller.signal, {
				get(target, key) {
					if (key === 'throwIfAborted' && left-- === 0) controller.abort(new Error('stop'));
					const value: unknown = Reflect.get(target, key, target);
					return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
				},
			});
			try {
				const made = await writeChecksums(dump, settings, signal);
				assert.equal(made.length, 3);
				await discardAll([dump, ...made]);
				break;
			} catch (error) {
				assert.match(String(error), /stop/);
				stopped++;
				assert.equal(readdirSync(directory).length, 1, 'only the dump itself');
			}
		}
		assert.ok(stopped >= 3, `stopped ${stopped} times`);
		assert.deepEqual(readdirSync(directory), []);
	} finally {
		rmSync(directory, {recursive: true, force: true});
	}
});
