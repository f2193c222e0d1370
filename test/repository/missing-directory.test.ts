/** The records of a backup directory that is not there yet, or is no directory. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {localManifests} from '../../source/repository/manifests.js';
import {findPins, pinSource} from '../../source/repository/pins.js';
import {localPlace} from '../../source/repository/place.js';
import {readProofs} from '../../source/repository/proofs.js';
import {scratchDirectory} from '../helpers/program.js';
import {type RecordedRun, runContext} from '../helpers/run-context.js';

const readers: Readonly<
	Record<string, (run: RecordedRun) => Promise<{readonly size?: number; readonly length?: number}>>
> = {
	manifests: run => localManifests(run),
	pins: run => findPins(run.emit, pinSource(run.configuration, {remote: undefined}), run.signal),
	proofs: run => readProofs(run, localPlace(run), run.signal),
};

for (const [what, read] of Object.entries(readers)) {
	test(`without a directory there are no ${what}`, async () => {
		const found = await read(await runContext(['-b', join(scratchDirectory('missing'), 'none')]));
		assert.equal(found.size ?? found.length, 0);
	});

	test(`a directory that cannot be read is an error, and not one without ${what}`, async () => {
		const path = join(scratchDirectory('missing'), 'file');
		writeFileSync(path, '');
		await assert.rejects(
			async () => read(await runContext(['-b', path])),
			/unable to read directory .*not a directory/,
		);
	});
}
