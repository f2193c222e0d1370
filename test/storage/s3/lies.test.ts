/** S3 servers that lie: whatever they say, success means that the object is what was sent, and nothing else deletes the local file. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {after, before, describe, it} from 'node:test';
import {PgBackError} from '../../../source/core/errors.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {openS3} from '../../../source/storage/s3/s3.js';
import type {Storage} from '../../../source/storage/storage.js';
import {bucketAt} from '../../helpers/s3-bucket.js';
import {type Damage, damages} from '../../helpers/s3-lies.js';
import type {S3Fault} from '../../helpers/s3-requests.js';
import {type S3Server, type S3ServerOptions, startS3Server} from '../../helpers/s3-server.js';
import {shipFile} from '../../helpers/ship-file.js';
import {fastClock, testContext} from '../../helpers/storage-tools.js';

const mebi = 1024 * 1024;
const objects = {small: randomBytes(1000), large: randomBytes(2.5 * mebi)} as const;
type Size = keyof typeof objects;

const services: Readonly<Record<string, S3ServerOptions>> = {
	modern: {},
	'CRC32 ignored': {lacks: ['checksumAnswers']},
	'CRC32 ignored, ETags of its own': {lacks: ['checksumAnswers', 'md5Tags']},
	'no CRC32, no conditions': {lacks: ['checksums', 'conditions']},
	'no metadata': {lacks: ['metadata', 'checksumAnswers']},
};

type Lie = {
	readonly name: string;
	readonly fault: S3Fault;
	readonly size: Size;
	/** Services that cannot be found out: what they answer is right for what was sent. */
	readonly onlyAt?: readonly string[];
};

const isSameSize = (how: Damage) => !['truncate', 'append', 'empty'].includes(how);
/** Services whose HEAD tells the truth about damage whatever the answer to the upload said. */
const honestHeads = ['modern', 'CRC32 ignored, ETags of its own'];

const lies: readonly Lie[] = [
	...damages.flatMap((how): Lie[] => [
		{
			name: `keeps other bytes (${how}) and tells their checksums`,
			size: 'small',
			fault: {do: 'damage', how, truthful: true, action: 'PutObject'},
		},
		{
			name: `keeps other bytes (${how}) and confirms what was sent`,
			size: 'small',
			fault: {do: 'damage', how, action: 'PutObject'},
			...(isSameSize(how) && {onlyAt: honestHeads}),
		},
	]),
	...(['flip', 'zero'] as const).map((how): Lie => ({
		name: `keeps a part with other bytes (${how}) and tells its checksum`,
		size: 'large',
		fault: {do: 'damage', how, truthful: true, action: 'UploadPart', part: 2},
	})),
	...(['small', 'large'] as const).flatMap((size): Lie[] => {
		const action = size === 'small' ? 'PutObject' : 'CompleteMultipartUpload';
		return [
			{name: 'keeps nothing of what it confirmed', size, fault: {do: 'discard', action}},
			{
				name: 'loses the answer, and the object is damaged',
				size,
				fault: {do: 'damage', how: 'flip', truthful: true, lose: true, action},
			},
		];
	}),
	{name: 'puts parts in another order', size: 'large', fault: {do: 'reorder', action: 'CompleteMultipartUpload'}},
	{
		name: 'puts parts in another order and loses the answer',
		size: 'large',
		fault: {do: 'reorder', lose: true, action: 'CompleteMultipartUpload'},
	},
];

/** What passes, and leaves a right object. */
const troubles: readonly Lie[] = [
	{name: 'loses the answer to an upload', size: 'small', fault: {do: 'lose', action: 'PutObject'}},
	{name: 'loses the answer to a part', size: 'large', fault: {do: 'lose', action: 'UploadPart', part: 2}},
	{name: 'loses the answer to the end', size: 'large', fault: {do: 'lose', action: 'CompleteMultipartUpload'}},
	{name: 'loses the answer to the look', size: 'large', fault: {do: 'lose', action: 'HeadObject', skip: 1}},
	{name: 'answers another ETag', size: 'small', fault: {do: 'wrongEtag', action: 'PutObject', times: 9}},
	{name: 'answers another ETag at the end', size: 'large', fault: {do: 'wrongEtag', action: 'CompleteMultipartUpload'}},
	{name: 'answers 200 with an error', size: 'large', fault: {do: 'errorIn200', action: 'CompleteMultipartUpload'}},
	{name: 'answers another checksum', size: 'large', fault: {do: 'wrongChecksum', action: 'UploadPart', part: 1}},
	...(['PutObject', 'HeadObject'] as const).map((action): Lie => ({
		name: `answers a page once at ${action}`,
		size: 'small',
		fault: {do: 'raw', status: 200, headers: {'content-type': 'text/html'}, body: '<html>', action},
	})),
];

for (const [service, options] of Object.entries(services)) {
	describe(`a service (${service}) that`, () => {
		let server: S3Server;
		before(async () => {
			server = await startS3Server(options);
		});
		after(() => server.close());

		const open = async (): Promise<Storage> => {
			const context = testContext({clock: fastClock(), idleTimeout: 10_000, retryBudget: 5000});
			return wrapStorage(await openS3(bucketAt(server.url), context), context);
		};
		const run = async ({fault, size}: Lie, times: number, deleteLocal: boolean) => {
			server.objects.clear();
			server.uploads.clear();
			server.faults.splice(0, Infinity, {...fault, times: fault.times ?? times});
			const storage = await open();
			try {
				const shipped = await shipFile(storage, objects[size], {deleteLocal});
				const held = server.objects.get('a.dump');
				return {...shipped, held, isRight: held?.bytes.equals(objects[size]) ?? false};
			} finally {
				await storage.close();
			}
		};

		for (const lie of lies.filter(one => one.onlyAt?.includes(service) ?? true)) {
			it(`${lie.name} (${lie.size}), each time: an error, and the local file stays`, async () => {
				const {error, isThere, held} = await run(lie, Infinity, true);
				assert.ok(error instanceof PgBackError && error.exitCode === 14, String(error));
				assert.ok(isThere, 'the local file was deleted');
				assert.match(error.message, /a\.dump.*s3:\/\/bucket\//);
				if (held) assert.match(error.message, /still there|could not be removed|already exists/);
				if (held) assert.notEqual(service, 'modern', 'a damaged object that is certainly ours does not stay');
			});
			it(`${lie.name} (${lie.size}), once: never a success with a damaged object`, async () => {
				const {error, isThere, isRight} = await run(lie, 1, true);
				if (error === undefined) assert.ok(isRight, 'a success with a damaged object');
				else assert.ok(isThere && error instanceof PgBackError && error.exitCode === 14, 'an error of another kind');
				if (service === 'modern') assert.equal(error, undefined, String(error));
			});
		}

		for (const trouble of troubles) {
			it(`${trouble.name}: the upload succeeds`, async () => {
				const {error, isRight, isThere, checked} = await run(trouble, 1, true);
				assert.equal(error, undefined, String(error));
				assert.ok(isRight);
				assert.equal(isThere, false);
				assert.match(checked.join(), /crc32 computed by the service|md5 ETag|read back/);
			});
		}
	});
}
