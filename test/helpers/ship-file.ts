/** Sends one local file to a store by the stage that uploads and resumes. */
import {createHash} from 'node:crypto';
import {existsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {NewEvent} from '../../source/core/events.js';
import type {Meter} from '../../source/stages/meter.js';
import {removeLocalCopy} from '../../source/stages/resume-local.js';
import {resumeUpload} from '../../source/stages/resume-upload.js';
import type {Storage} from '../../source/storage/storage.js';
import {scratchDirectory} from './program.js';
import {never} from './storage-tools.js';

export type Shipped = {
	readonly error: unknown;
	/** How the upload was checked, in words. */
	readonly checked: readonly string[];
	readonly logs: string;
	/** The local file still exists. */
	readonly isThere: boolean;
};

/** Sends a local file of `bytes` as `a.dump`, which is then deleted unless it must stay. */
export async function shipFile(
	storage: Storage,
	bytes: Uint8Array,
	{
		deleteLocal = true,
		readBack = false,
		journal,
	}: {readonly deleteLocal?: boolean; readonly readBack?: boolean; readonly journal?: unknown} = {},
): Promise<Shipped> {
	const directory = scratchDirectory('ship');
	const path = join(directory, 'a.dump');
	writeFileSync(path, bytes);
	const sha256 = createHash('sha256').update(bytes).digest('hex');
	const events: NewEvent[] = [];
	const emit = (event: NewEvent) => void events.push(event);
	const nothing = () => undefined;
	const meter: Meter = {start: nothing, count: nothing, countSlots: nothing, watch: nothing, finish: nothing};
	const options = {storage, run: 'abcdef', keyFor: () => 'a.dump', deleteLocal, readBack, emit};
	const record = {
		...{run: 'abcdef', location: storage.location, key: 'a.dump', file: 'a.dump', size: bytes.length},
		...{sha256, deleteLocal, journal},
	};
	const left = {options, recordFile: join(directory, '.pg_back-upload-0123456789abcdef.json'), record};
	const error = await resumeUpload(left, {job: 'a', meter, signal: never})
		.then(async shipment => removeLocalCopy({path, directory: false}, [{left, shipment}], [options], never))
		.then(
			() => undefined,
			(reason: unknown) => reason,
		);
	const checked = events.flatMap(event => (event.type === 'file.uploaded' ? [event.checked] : []));
	const logs = events.flatMap(event => (event.type === 'log' ? [event.text] : [])).join('\n');
	return {error, checked, logs, isThere: existsSync(path)};
}
