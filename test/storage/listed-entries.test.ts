/** Listings in which one entry has no size or an unusable date: the others are listed, and nothing is invented. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {entryDate, entrySize} from '../../source/storage/listed-entry.js';
import {wrapStorage} from '../../source/storage/open.js';
import {openS3} from '../../source/storage/s3/s3.js';
import {openSftp} from '../../source/storage/sftp/sftp.js';
import {bytesSource} from '../../source/storage/source.js';
import type {Storage} from '../../source/storage/storage.js';
import {azuriteMissing} from '../helpers/azurite.js';
import {scratchDirectory} from '../helpers/program.js';
import {bucketAt} from '../helpers/s3-bucket.js';
import {type S3Server, startS3Server} from '../helpers/s3-server.js';
import {type FaultyServer, startFaultyServer} from '../helpers/sshd-faults.js';
import {collect, fastClock, never, readAll, testContext} from '../helpers/storage-tools.js';
import {startVault as startAzureVault} from './azure/lying-service.js';
import {startVault as startGcsVault} from './gcs/lying-service.js';

/** What a service reports about one object; the texts of the protocol. */
type Told = {readonly key: string; readonly size?: string; readonly date?: string};
type Service = {
	readonly storage: Storage;
	readonly lines: readonly string[];
	/** Answers listings with these objects. */
	readonly tell: (told: readonly Told[]) => void;
	readonly close: () => Promise<void>;
};

const date = '2026-10-01T00:00:00.000Z';
const time = Date.parse(date);

async function s3Service(): Promise<Service & {readonly server: S3Server}> {
	const server = await startS3Server();
	const context = testContext({clock: fastClock(), retryBudget: 1000});
	const tag = (name: string, text: string | undefined) => (text === undefined ? '' : `<${name}>${text}</${name}>`);
	return {
		storage: wrapStorage(await openS3(bucketAt(server.url), context), context),
		...{lines: context.lines, server},
		tell(told) {
			const contents = told.map(
				({key, size, date: modified}) =>
					`<Contents>${tag('Key', key)}${tag('LastModified', modified)}${tag('Size', size)}</Contents>`,
			);
			server.faults.push({
				...{do: 'raw', action: 'ListObjectsV2', status: 200, times: Infinity},
				headers: {'content-type': 'application/xml'},
				body: `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`,
			});
		},
		close: () => server.close(),
	};
}

async function gcsService(): Promise<Service> {
	const vault = await startGcsVault();
	const context = vault.contextOf();
	const {openGcs} = await import('../../source/storage/gcs/gcs.js');
	return {
		storage: wrapStorage(await openGcs({bucket: 'vault'}, context), context),
		lines: context.lines,
		tell(told) {
			const items = told.map(({key, size, date: updated}) => ({name: key, size, updated}));
			const body = JSON.stringify({kind: 'storage#objects', items});
			const headers = {'content-type': 'application/json'};
			const isListing = (line: string) => /^GET .*\/o\?/.test(line);
			vault.server.faults.push({matches: isListing, do: {status: 200, headers, body}, times: Infinity});
		},
		close: () => vault.server.stop(),
	};
}

async function azureService(): Promise<Service> {
	const vault = await startAzureVault();
	const context = vault.contextOf();
	return {
		storage: wrapStorage(await vault.open(context), context),
		lines: context.lines,
		tell(told) {
			const blobs = told.map(({key, size, date: modified}) => {
				const utc = modified === date ? new Date(date).toUTCString() : modified;
				const properties = [
					...(utc === undefined ? [] : [`<Last-Modified>${utc}</Last-Modified>`]),
					...(size === undefined ? [] : [`<Content-Length>${size}</Content-Length>`]),
				];
				return `<Blob><Name>${key}</Name><Properties>${properties.join('')}</Properties></Blob>`;
			});
			vault.tell({
				hits: line => line.includes('comp=list'),
				answer: {
					status: 200,
					headers: {'content-type': 'application/xml'},
					body: `<?xml version="1.0"?><EnumerationResults><Blobs>${blobs.join('')}</Blobs><NextMarker/></EnumerationResults>`,
				},
			});
		},
		close: () => vault.stop(),
	};
}

const services = [
	['s3', s3Service, false],
	['gcs', gcsService, false],
	['azure', azureService, azuriteMissing],
] as const;

for (const [name, start, skip] of services) {
	describe(`${name}: a listing with an unusable entry`, {skip}, () => {
		const withService = async (run: (service: Service) => Promise<void>) => {
			const service = await start();
			try {
				await run(service);
			} finally {
				await service.close();
			}
		};
		const listed = (storage: Storage) => collect(storage.list('', {signal: never}));

		for (const wrong of ['garbage', '0001-01-01T00:00:00Z', '99999-01-01'])
			it(`shows the others, and doubts the one of the date ${wrong}`, async () => {
				await withService(async ({storage, tell, lines}) => {
					tell([
						{key: 'a', size: '1', date},
						{key: 'b', size: '2', date: wrong},
						{key: 'c', size: '3'},
					]);
					for (const _ of [1, 2]) {
						const [a, b, c] = await listed(storage);
						assert.deepEqual(a, {key: 'a', size: 1, modified: time});
						assert.deepEqual([b?.key, b?.size, b?.modified], ['b', 2, undefined]);
						assert.match(b?.doubt ?? '', /the service reports an invalid date/);
						assert.deepEqual(c, {key: 'c', size: 3});
					}
					assert.deepEqual(
						lines.filter(line => line.startsWith('warn')).map(line => line.replace(/ at .* reports/, ' reports')),
						[lines[0]?.replace(/ at .* reports/, ' reports')],
					);
					assert.match(lines[0] ?? '', /^warn: b at .*: it is not purged, and does not count as a good dump$/);
				});
			});

		it('asks for a missing size, and leaves out an object without one', async () => {
			await withService(async ({storage, tell, lines}) => {
				await storage.put('held', bytesSource(Buffer.from('hello')), {signal: never});
				for (const size of [undefined, '-1', '', '99999999999999999999']) {
					tell([
						{key: 'a', size: '0', date},
						{key: 'held', date, ...(size !== undefined && {size})},
					]);
					assert.deepEqual(
						(await listed(storage)).map(one => [one.key, one.size]),
						[
							['a', 0],
							['held', 5],
						],
					);
				}
				assert.deepEqual(lines, []);
			});
		});
	});
}

describe('s3: responses with unusable facts', () => {
	it('an object without any size is left out with a warning; if all are, that is no empty place', async () => {
		const {storage, tell, lines, server, close} = await s3Service();
		try {
			await storage.put('b', bytesSource(Buffer.from('hello')), {signal: never});
			const headers = {etag: '"5d41402abc4b2a76b9719d911017c592"', 'content-length': ''};
			server.faults.push({do: 'raw', action: 'HeadObject', status: 200, headers, times: Infinity});
			tell([{key: 'a', size: '1', date}, {key: 'b', date}]); // prettier-ignore
			assert.deepEqual((await collect(storage.list('', {signal: never}))).map(({key}) => key), ['a']); // prettier-ignore
			assert.match(lines[0] ?? '', /^warn: b at s3:\/\/bucket\/: left out of the listing, because/);
			server.faults.splice(1);
			tell([{key: 'b', date}]);
			await assert.rejects(collect(storage.list('', {signal: never})), {
				code: 'STORAGE',
				message: /could not list s3:\/\/bucket\/: the service does not report the size of any object/,
			});
		} finally {
			await close();
		}
	});

	it('a date that the SDK cannot parse prevents neither an upload nor a download', async () => {
		const {storage, server, close} = await s3Service();
		try {
			await storage.put('a', bytesSource(Buffer.from('hello')), {signal: never});
			const headers = {etag: '"5d41402abc4b2a76b9719d911017c592"', 'content-length': '5', 'last-modified': 'never'};
			const raw = {do: 'raw', status: 200, headers, times: Infinity} as const;
			server.faults.push({...raw, action: 'HeadObject'}, {...raw, action: 'GetObject', body: 'hello'});
			assert.equal((await storage.stat('a', {signal: never}))?.size, 5);
			assert.equal((await readAll(storage.get('a', {signal: never}))).toString(), 'hello');
		} finally {
			await close();
		}
	});

	it('an unfinished upload without a usable date is not aborted', async () => {
		const {storage, server, close} = await s3Service();
		try {
			const upload = (key: string, initiated: string) =>
				`<Upload><Key>${key}</Key><UploadId>${key}</UploadId><Initiated>${initiated}</Initiated></Upload>`;
			const uploads = [upload('a', 'never'), upload('b', '0001-01-01T00:00:00Z'), upload('c', '2026-10-01 00:00')];
			server.faults.push({
				...{do: 'raw', action: 'ListMultipartUploads', status: 200},
				headers: {'content-type': 'application/xml'},
				body: `<?xml version="1.0"?><ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${uploads.join('')}</ListMultipartUploadsResult>`,
			});
			assert.deepEqual(await storage.cleanup?.('', {signal: never, olderThan: time + 86_400_000}), ['c']);
		} finally {
			await close();
		}
	});
});

describe('sftp: a listing with an unusable entry', () => {
	it('leaves out a file whose size the server does not tell, and shows the others', async () => {
		const server: FaultyServer = await startFaultyServer({password: 'secret'});
		const files = server.files as Map<string, Buffer>;
		for (const name of ['a', 'b', 'c']) files.set(name, Buffer.from(name));
		const context = testContext();
		const settings = {host: '127.0.0.1', port: server.port, user: 'me', password: 'secret', ignoreHostKey: true};
		const storage = await openSftp(settings, {...context, home: scratchDirectory('home')});
		server.lie = ({request, id, path, sftp}) => {
			if (request === 'READDIR') {
				const names = ['a', 'b', 'c'].map(filename => ({
					...{filename, longname: ''},
					attrs: (filename === 'b' ? {} : {mode: 0o100600, size: 1, mtime: 5, atime: 5, uid: 0, gid: 0}) as never,
				}));
				if (read) sftp.status(id, 1);
				else sftp.name(id, names);
				read = !read;
				return true;
			}
			if (request !== 'STAT' || path !== 'b') return false;
			sftp.attrs(id, {mode: 0o100600} as never);
			return true;
		};
		let read = false;
		try {
			const keys = (await collect(storage.list('', {signal: never}))).map(({key}) => key);
			assert.deepEqual(keys, ['a', 'c']);
			assert.match(context.lines.join('\n'), /warn: b at sftp:.*left out of the listing/);
		} finally {
			await storage.close();
			await server.stop();
		}
	});
});

it('sizes and dates are what they say, or nothing', () => {
	assert.deepEqual(
		['0', ' 12 ', '1.5', '-1', '1e3', '', 'x', '9007199254740993', 7, -1, NaN, undefined].map(entrySize),
		[...[0, 12, undefined, undefined, undefined, undefined, undefined, undefined, 7, undefined, undefined, undefined]],
	);
	assert.deepEqual(['', undefined].map(entryDate), [{}, {}]);
	assert.deepEqual(entryDate('1970-01-01T00:00:00Z'), {modified: 0});
	for (const bad of ['x', '1969-12-31T23:59:59Z', '+010000-01-01T00:00:00Z', NaN, -1])
		assert.ok(entryDate(bad).doubt !== undefined, String(bad));
});
