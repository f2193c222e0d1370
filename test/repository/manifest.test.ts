import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {PgBackError} from '../../source/core/errors.js';
import {
	joinManifest,
	type Manifest,
	type ManifestFile,
	printManifest,
	runRecord,
	splitManifest,
	summarizeManifest,
} from '../../source/repository/manifest.js';
import {parseManifest, parsePrivateManifest} from '../../source/repository/manifest-read.js';

const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
const safePath = fc
	.array(fc.stringMatching(/^[\w%-][\w.%-]{0,12}$/), {minLength: 1, maxLength: 3})
	.map(parts => parts.join('/'));
const size = fc.nat({max: Number.MAX_SAFE_INTEGER});
const instant = fc
	.date({min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true})
	.map(date => date.toISOString());
const member = fc.record({path: safePath, size, sha256: digest}, {requiredKeys: ['path', 'size']});
const plain = fc.record(
	{
		size,
		sha256: digest,
		members: fc.array(member, {maxLength: 2}),
		tables: fc.array(fc.record({name: fc.string(), rows: size}), {maxLength: 2}),
	},
	{requiredKeys: []},
);
const file = fc.record(
	{
		path: safePath,
		role: fc.constantFrom('dump', 'globals', 'createdb', 'checksum', 'other'),
		database: fc.string(),
		databaseBytes: fc.base64String(),
		time: instant,
		size,
		sha256: digest,
		format: fc.constantFrom('custom', 'plain'),
		directory: fc.boolean(),
		members: fc.array(member, {maxLength: 2}),
		encryption: fc.record({recipients: fc.nat(9), kind: fc.constantFrom('x25519', 'scrypt')}),
		verified: fc.constantFrom('none', 'hash', 'full'),
		shipped: fc.array(fc.record({location: fc.string(), key: fc.string(), checked: fc.string()}), {maxLength: 2}),
		plain,
	},
	{requiredKeys: ['path', 'role', 'time', 'size', 'verified', 'shipped']},
) as fc.Arbitrary<ManifestFile>;
const manifests = fc.record({
	schema: fc.constant(1 as const),
	runId: fc.string(),
	outcome: fc.constantFrom('complete', 'partial'),
	start: instant,
	end: instant,
	host: fc.string(),
	server: fc.record(
		{
			version: fc.string(),
			systemIdentifier: fc.string(),
			host: fc.string(),
			port: fc.string(),
			inRecovery: fc.boolean(),
		},
		{requiredKeys: ['version']},
	),
	version: fc.string(),
	tools: fc.dictionary(fc.string(), fc.string()),
	options: fc.dictionary(fc.string(), fc.string()),
	databases: fc.array(fc.string({unit: 'binary'})),
	failed: fc.array(fc.record({database: fc.string(), code: fc.string(), message: fc.string()}), {maxLength: 2}),
	files: fc.uniqueArray(file, {maxLength: 4, selector: one => one.path}),
}) as fc.Arbitrary<Manifest>;

const plainCopy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('a manifest', () => {
	it('reads back as it was printed', () => {
		fc.assert(
			fc.property(manifests, manifest => {
				assert.deepEqual(plainCopy(parseManifest(printManifest(manifest), 'x')), plainCopy(manifest));
			}),
		);
	});

	it('keeps nothing in the clear, when the run encrypts, that tells of plain bytes, and joins back whole', () => {
		fc.assert(
			fc.property(manifests, whole => {
				const {manifest, companion} = splitManifest(whole);
				if (!whole.files.some(one => one.encryption)) {
					assert.equal(companion, undefined);
					return;
				}
				assert.ok(companion);
				for (const one of manifest.files) {
					assert.equal(one.plain, undefined);
					if (!one.encryption) assert.ok(one.sha256 === undefined && one.members === undefined);
				}
				const read = parsePrivateManifest(printManifest(companion), 'x');
				const joined = joinManifest(parseManifest(printManifest(manifest), 'x'), read);
				for (const one of whole.files) {
					const again = joined.files.find(other => other.path === one.path);
					if (one.encryption) assert.deepEqual(plainCopy(again), plainCopy(one));
					else assert.equal(again?.plain?.sha256, one.plain?.sha256 ?? one.sha256);
				}
				assert.deepEqual(joinManifest(manifest, {...read, runId: `${whole.runId}x`}), manifest);
			}),
		);
	});

	it('may have fields that are not known yet', () => {
		fc.assert(
			fc.property(manifests, fc.jsonValue(), (manifest, extra) => {
				const [first, ...rest] = manifest.files;
				const grown = {...manifest, later: extra, server: {...manifest.server, later: extra}};
				const files = first ? [{...first, later: extra}, ...rest] : [];
				assert.deepEqual(plainCopy(parseManifest(JSON.stringify({...grown, files}), 'x')), plainCopy(manifest));
			}),
		);
	});
});

const sample: Manifest = {
	schema: 1,
	runId: 'abcdef',
	outcome: 'partial',
	start: '2026-10-03T02:00:00.000Z',
	end: '2026-10-03T02:10:00.000Z',
	host: 'h',
	server: {version: '15.18', systemIdentifier: '77'},
	version: '3.0.0',
	tools: {pg_dump: '15.18'},
	options: {},
	databases: ['a/b', 'c'],
	failed: [{database: 'c', code: 'DUMP_FAILED', message: 'm'}],
	files: [
		{
			path: 'a%2Fb_2026-10-03T02:00:00Z.dump.age',
			role: 'dump',
			database: 'a/b',
			time: '2026-10-03T02:00:00.000Z',
			size: 10,
			encryption: {recipients: 1, kind: 'x25519'},
			verified: 'hash',
			shipped: [],
		},
	],
};

describe('a bad manifest', () => {
	const cases: [string, (manifest: Record<string, unknown> & {files: Record<string, unknown>[]}) => void, RegExp][] = [
		['a newer schema', manifest => (manifest.schema = 2), /schema 2 is not known/],
		['no schema', manifest => delete manifest.schema, /schema is no count/],
		['no run', manifest => delete manifest.runId, /runId is no string/],
		['a wrong outcome', manifest => (manifest.outcome = 'good'), /outcome is no complete or partial/],
		['a local time', manifest => (manifest.start = '2026-10-03T02:00:00+01:00'), /start is no utc instant/],
		['no time at all', manifest => (manifest.start = '2026-13-03T02:00:00Z'), /start is no utc instant/],
		[
			'a path with a way out',
			manifest => (manifest.files[0]!.path = 'a/../../b'),
			/files\[0\]\.path is no safe relative path/,
		],
		['an absolute path', manifest => (manifest.files[0]!.path = '/etc/passwd'), /safe relative path/],
		['a negative size', manifest => (manifest.files[0]!.size = -1), /files\[0\]\.size is no count/],
		['a digest too short', manifest => (manifest.files[0]!.sha256 = 'abc'), /sha256 digest/],
		['a tool that is a list', manifest => (manifest.tools = {pg_dump: []}), /tools\.pg_dump is no string/],
		['files that are none', manifest => Object.assign(manifest, {files: {}}), /files is no list/],
		['a server that is none', manifest => (manifest.server = null), /server is no object/],
	];
	for (const [name, spoil, message] of cases) {
		it(`is corrupt: ${name}`, () => {
			const copy = plainCopy(sample) as unknown as Parameters<typeof spoil>[0];
			spoil(copy);
			assert.throws(() => parseManifest(JSON.stringify(copy), 'x'), {code: 'CORRUPT', exitCode: 17, message});
		});
	}

	it('is corrupt and nothing else, whatever its text', () => {
		const whole = printManifest(sample);
		const onlyOurs = (content: string) => {
			try {
				parseManifest(content, 'x\u001B');
			} catch (error) {
				assert.ok(
					error instanceof PgBackError && error.code === 'CORRUPT' && error.hint && !error.message.includes('\u001B'),
				);
			}
		};
		for (let end = 0; end < whole.length - 1; end++) {
			assert.throws(() => parseManifest(whole.slice(0, end), 'x'), {code: 'CORRUPT'});
		}
		fc.assert(fc.property(fc.string(), onlyOurs));
		fc.assert(fc.property(fc.json(), onlyOurs));
	});
});

describe('what others take from a manifest', () => {
	it('is a record for the purge', () => {
		const record = runRecord(sample, {path: '/b/m'}, path => `/b/${path}`);
		assert.deepEqual(record, {
			path: '/b/m',
			runId: 'abcdef',
			time: Date.parse('2026-10-03T02:00:00Z'),
			server: {address: 'h:5432', systemIdentifier: '77'},
			files: [
				{
					path: '/b/a%2Fb_2026-10-03T02:00:00Z.dump.age',
					size: 10,
					good: true,
					time: Date.parse('2026-10-03T02:00:00Z'),
				},
			],
		});
		const failed = runRecord(
			{...sample, failed: [{database: 'a/b', code: 'X', message: ''}]},
			{path: 'm'},
			path => path,
		);
		assert.equal(failed.files[0]?.good, false);
	});

	it('is a summary for the console', () => {
		assert.deepEqual(summarizeManifest(sample), {
			run: 'abcdef',
			time: Date.parse('2026-10-03T02:00:00Z'),
			state: 'partial',
			serverVersion: '15.18',
			databases: ['a/b', 'c'],
			failed: ['c'],
			encrypted: true,
		});
	});
});
