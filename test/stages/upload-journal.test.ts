/** Records of uploads, as the next run finds them. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {readUploadRecords, uploadRecordPath, writeUploadRecord} from '../../source/stages/upload-journal.js';

test('one that another run removes meanwhile is no error; one that cannot be understood is told apart', async () => {
	const directory = mkdtempSync(join(tmpdir(), 'pgb-records-'));
	try {
		const [good, bad, gone] = ['good', 'bad', 'gone'].map(key => uploadRecordPath(directory, 's3://b/', key));
		if (!good || !bad || !gone) throw new Error('unreachable');
		const record = {run: 'abcdef', location: 's3://b/', key: 'good', file: 'f', size: 1, deleteLocal: false};
		await writeUploadRecord(good, {...record, announced: true});
		await writeUploadRecord(good, record);
		await assert.rejects(writeUploadRecord(good, {...record, announced: true, size: 2}), {code: 'EEXIST'});
		writeFileSync(bad, '{"run":');
		symlinkSync(join(directory, 'nowhere'), gone); // in the listing, and not there when it is read
		const found = await readUploadRecords(directory);
		assert.deepEqual(
			new Map(found.map(one => [one.path, one.record])),
			new Map([
				[good, record],
				[bad, undefined],
			]),
		);
	} finally {
		rmSync(directory, {recursive: true, force: true});
	}
});
