/** Records of uploads, as the next run finds them. */
import assert from 'node:assert/strict';
import {chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {fileIdentity} from '../../source/lib/own-file.js';
import {readUploadRecords, uploadRecordPath, writeUploadRecord} from '../../source/stages/upload-journal.js';

test('one that another run removes meanwhile is no error; one that was cut is told apart', async () => {
	const directory = mkdtempSync(join(tmpdir(), 'pgb-records-'));
	try {
		const [good, bad, gone] = ['good', 'bad', 'gone'].map(key => uploadRecordPath(directory, 's3://b/', key));
		if (!good || !bad || !gone) throw new Error('unreachable');
		const record = {run: 'abcdef', location: 's3://b/', key: 'good', file: 'f', size: 1, deleteLocal: false};
		await writeUploadRecord(good, {...record, announced: true});
		await writeUploadRecord(good, record);
		await assert.rejects(writeUploadRecord(good, {...record, announced: true, size: 2}), {code: 'EEXIST'});
		writeFileSync(bad, '{"run":', {mode: 0o600});
		symlinkSync(join(directory, 'nowhere'), gone);
		const found = await readUploadRecords(directory, () => fileIdentity(directory, 'abcdef'));
		assert.deepEqual(
			new Map(found.map(one => [one.path, one.record ?? [one.problem, one.isOurs]])),
			new Map<string, unknown>([
				[good, record],
				[bad, ['invalid JSON', true]],
				[gone, ['it is a symbolic link', false]],
			]),
		);
	} finally {
		rmSync(directory, {recursive: true, force: true});
	}
});

test('on a mount that gives all files one owner and mode, records are believed by these', async () => {
	const directory = mkdtempSync(join(tmpdir(), 'pgb-records-'));
	try {
		const path = uploadRecordPath(directory, 's3://b/', 'key');
		const record = {run: 'abcdef', location: 's3://b/', key: 'key', file: 'f', size: 1, deleteLocal: false};
		await writeUploadRecord(path, record);
		chmodSync(path, 0o755);
		const uid = process.geteuid?.() ?? 0;
		const [strict] = await readUploadRecords(directory, async () => ({uid, keepsModes: true}));
		assert.equal(strict?.problem, 'it has the mode 0755, not 0600');
		const [loose] = await readUploadRecords(directory, async () => ({uid, keepsModes: false}));
		assert.deepEqual(loose?.record, record);
		const [other] = await readUploadRecords(directory, async () => ({uid: uid + 1, keepsModes: false}));
		assert.match(other?.problem ?? '', /belongs to another user/);
	} finally {
		rmSync(directory, {recursive: true, force: true});
	}
});
