/**
 * Runs one measured piece of work in a separate process: `MODE URL FILE PART_SIZE`. Prints JSON: seconds, cpu seconds,
 * peak memory.
 */
import {createReadStream} from 'node:fs';
import {stat} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {pathToFileURL} from 'node:url';
import {S3Client} from '@aws-sdk/client-s3';
import {openS3} from '../../source/storage/s3/s3.js';
import {openFileSource} from '../../source/storage/source.js';
import {reportWork} from './measured.js';

const [mode, url = '', file = '', part = '0'] = process.argv.slice(2);
const partSize = Number(part) || undefined;
const credentials = {keyId: 'AKIATEST', secret: 'secret/of+the=test'};
const {signal} = new AbortController();

const open = () =>
	openS3(
		{bucket: 'bucket', region: 'us-east-1', endpoint: url, forcePath: true, partSize, ...credentials},
		{env: {}, signal, log: () => undefined},
	);

type Work = () => Promise<number>;

const works: Readonly<Record<string, () => Promise<Work>>> = {
	/** As a finished dump is uploaded. */
	async ours() {
		const storage = await open();
		return async () => {
			const source = await openFileSource(file);
			const {size} = await storage.put('it', source, {signal});
			await source.close();
			return size;
		};
	},
	/** As bytes are uploaded while they are written, with unknown size. */
	async 'ours-stream'() {
		const storage = await open();
		return async () => {
			const source = await openFileSource(file);
			const {size} = await storage.put('it', {read: source.read}, {signal, expectedSize: source.size});
			await source.close();
			return size;
		};
	},
	async 'lib-storage'() {
		const load = createRequire(pathToFileURL(`${process.cwd()}/.tools/servers/`));
		const {Upload} = load('@aws-sdk/lib-storage') as {Upload: new (options: object) => {done: () => Promise<unknown>}};
		const client = new S3Client({
			region: 'us-east-1',
			endpoint: url,
			forcePathStyle: true,
			credentials: {accessKeyId: credentials.keyId, secretAccessKey: credentials.secret},
		});
		return async () => {
			const Body = createReadStream(file, {highWaterMark: 1024 * 1024});
			await new Upload({client, params: {Bucket: 'bucket', Key: 'it', Body}, partSize, queueSize: 4}).done();
			return (await stat(file)).size;
		};
	},
	async list() {
		const storage = await open();
		return async () => {
			let count = 0;
			for await (const _ of storage.list('', {signal})) count++;
			return count;
		};
	},
};

const prepare = works[mode ?? ''];
if (!prepare) throw new Error(`unknown mode ${mode}`);
const work = await prepare();
await reportWork(work);
process.exit(0);
