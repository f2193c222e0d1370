import assert from 'node:assert/strict';
import {mkdtemp, open, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, it, mock} from 'node:test';
import {createPartial, takeModeRefusals} from '../../source/lib/files.js';
import {openLocal} from '../../source/storage/local/local.js';
import {bytesSource} from '../../source/storage/source.js';
import {never, testContext} from '../helpers/storage-tools.js';

/** A file system that keeps no modes cannot be mounted in every place: fchmod(2) itself is made to fail. */
describe('a file system that refuses modes', () => {
	let directory: string;
	let restore: () => void;
	const refuseWith = async (code: string) => {
		const handle = await open(directory, 'r');
		const prototype = Object.getPrototypeOf(handle) as {chmod: () => Promise<void>};
		await handle.close();
		const error = Object.assign(new Error(`${code}: fchmod`), {code, syscall: 'fchmod', errno: -1});
		const mocked = mock.method(prototype, 'chmod', () => Promise.reject(error));
		restore = () => mocked.mock.restore();
	};
	beforeEach(async () => {
		directory = await mkdtemp(join(tmpdir(), 'pgb-modes-'));
	});
	afterEach(async () => {
		restore();
		await rm(directory, {recursive: true});
	});

	for (const code of ['EPERM', 'ENOTSUP', 'EOPNOTSUPP'])
		it(`${code}: local uploads go on, and one warning says what the files get`, async () => {
			await refuseWith(code);
			const context = testContext();
			const storage = await openLocal({directory, mode: 0o640}, context);
			for (const key of ['a', 'b'])
				await storage.put(key, bytesSource(Buffer.from('x')), {signal: never, ifAbsent: true});
			assert.deepEqual(await readdir(directory), ['a', 'b']);
			const warnings = context.lines.filter(line => line.startsWith('warn'));
			assert.equal(warnings.length, 1, warnings.join('\n'));
			assert.match(warnings[0] ?? '', /cannot be given the mode 0640/);
		});

	it('is remembered by its directory where no callback takes it', async () => {
		await refuseWith('EPERM');
		const {handle} = await createPartial(join(directory, 'x'), 'abcdef', 0o600);
		await handle.close();
		assert.deepEqual(takeModeRefusals(), [directory]);
		assert.deepEqual(takeModeRefusals(), []);
	});

	it('is an error for another reason, and leaves nothing', async () => {
		await refuseWith('EIO');
		await assert.rejects(
			createPartial(join(directory, 'x'), 'abcdef', 0o600, () => undefined),
			{code: 'EIO'},
		);
		assert.deepEqual(await readdir(directory), []);
	});
});
