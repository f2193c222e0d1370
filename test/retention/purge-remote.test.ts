import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import type {NewEvent} from '../../source/core/events.js';
import type {RetentionPolicy} from '../../source/retention/policy.js';
import {purgeRemote, type RemotePurgeOptions} from '../../source/retention/purge-remote.js';
import {StorageError, storageError} from '../../source/storage/errors.js';
import type {Storage, StorageObject} from '../../source/storage/storage.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';

const day = 86_400_000;
const start = Date.parse('2026-10-20T12:00:00Z');
const month: RetentionPolicy = {olderThan: 30 * day, minKeep: 0};
const {signal} = new AbortController();

async function storageWith(keys: readonly string[]): Promise<Storage> {
	const storage = createMemoryStorage();
	const read = async function* () {
		yield Buffer.from('x');
	};
	for (const key of keys) await storage.put(key, {size: 1, read}, {signal});
	return storage;
}

async function keysOf(storage: Storage): Promise<string[]> {
	const keys: string[] = [];
	for await (const {key} of storage.list('', {signal})) keys.push(key);
	return keys;
}

async function purge(
	storage: Storage,
	databases: readonly string[],
	changes: Partial<RemotePurgeOptions> = {},
	emit?: (event: NewEvent) => void,
) {
	const events: NewEvent[] = [];
	const errors = await purgeRemote({
		storage,
		directoryOf: () => 'pre/',
		subjects: databases.map(name => ({subject: {kind: 'database', name}, policy: month})),
		runPolicy: month,
		databases,
		start,
		now: start,
		current: new Set(),
		signal,
		emit: emit ?? (event => events.push(event)),
		...changes,
	});
	return {errors, events};
}

const members = ['toc.dat', '1.dat.gz', 'blobs.toc'].map(name => `pre/b1_2020-01-01T00:00:00Z.d/${name}`);
const recent = 'pre/b1_2026-10-20T11:00:00Z.dump';

describe('purge of a remote place', () => {
	it('removes what the policy says, directory dumps member by member, from one listing', async () => {
		const foreign = [
			'b1_2020-01-01T00:00:00Z.dump',
			'pre/b10_2020-01-01T00:00:00Z.dump',
			'pre/deep/b1_2020-01-01T00:00:00Z.dump',
		];
		const other = ['pre/b1_2020-01-01T00:00:00Z.draft', 'pre/b1_2020-01-01T00:00:00Z', ...foreign];
		const old = [
			...members,
			'pre/b1_2020-01-01T00:00:00Z.d.sha256',
			'pre/b1_2020-02-01T00:00:00Z.dump.age',
			'pre/b2_2020-02-01T00:00:00Z.dump',
		];
		const storage = await storageWith([...other, ...old, recent, 'pre/b2_2026-10-20T11:00:00Z.dump']);
		const listings: string[] = [];
		const {errors, events} = await purge(
			{...storage, list: (prefix, options) => (listings.push(prefix), storage.list(prefix, options))},
			['b1', 'b2'],
		);
		assert.deepEqual(errors, []);
		assert.deepEqual(await keysOf(storage), [...other, recent, 'pre/b2_2026-10-20T11:00:00Z.dump'].toSorted());
		assert.deepEqual(listings, ['pre/', 'pre/b1_2020-01-01T00:00:00Z.d']);
		assert.deepEqual(events.flatMap(event => (event.type === 'file.removed' ? event.path : [])).toSorted(), [
			'pre/b1_2020-01-01T00:00:00Z.d',
			'pre/b1_2020-01-01T00:00:00Z.d.sha256',
			'pre/b1_2020-02-01T00:00:00Z.dump.age',
			'pre/b2_2020-02-01T00:00:00Z.dump',
		]);
	});

	it('keeps what the place does not let go of, with its reason and no error', async () => {
		const locked = 'pre/b1_2020-02-01T00:00:00Z.dump';
		const storage = await storageWith([...members, locked, recent]);
		const isLocked = (key: string) => key === locked || key.endsWith('/1.dat.gz');
		const {errors, events} = await purge(
			{
				...storage,
				async remove(keys, options) {
					await storage.remove(
						keys.filter(key => !isLocked(key)),
						options,
					);
					return keys.map(key => (isLocked(key) ? {key, kept: 'locked until 2027-01-01T00:00:00Z'} : {key}));
				},
			},
			['b1'],
		);
		assert.deepEqual(errors, []);
		assert.deepEqual(
			events.flatMap(event => (event.type === 'file.kept' && event.reason.includes('locked') ? [event.path] : [])),
			['pre/b1_2020-01-01T00:00:00Z.d', locked],
		);
		assert.ok(!events.some(event => event.type === 'file.removed'));
	});

	it('neither removes nor counts a dump whose date at the place is not one', async () => {
		const doubtful = 'pre/b1_2020-03-01T00:00:00Z.dump';
		const old = ['pre/b1_2020-01-01T00:00:00Z.dump', 'pre/b1_2020-02-01T00:00:00Z.dump'];
		const storage = await storageWith([...old, doubtful]);
		const doubting: Storage = {
			...storage,
			async *list(prefix, options) {
				for await (const one of storage.list(prefix, options))
					yield one.key === doubtful ? {...one, doubt: 'the service reports an invalid date for it'} : one;
			},
		};
		const policy: RetentionPolicy = {olderThan: 30 * day, minKeep: 1};
		const {events} = await purge(doubting, ['b1'], {
			subjects: [{subject: {kind: 'database', name: 'b1'}, policy}],
		});
		assert.deepEqual(await keysOf(storage), [old[1], doubtful]);
		assert.deepEqual(
			events.filter(event => event.type === 'log'),
			[],
			'the place has warned',
		);
	});

	it('does not take a directory dump without its table of contents for a good one', async () => {
		const storage = await storageWith([
			'pre/b1_2020-01-01T00:00:00Z.dump',
			...members.slice(1).map(key => key.replace('01-01', '03-01')),
		]);
		await purge(storage, ['b1']);
		assert.deepEqual(await keysOf(storage), ['pre/b1_2020-01-01T00:00:00Z.dump']);
	});

	it('removes the entries of directories after what is in them, where a place has such', async () => {
		const storage = await storageWith(members);
		await storage.put(recent, {size: 1, read: async function* () { yield Buffer.from('x'); }}, {signal}); // prettier-ignore
		const directory: StorageObject = {key: 'pre/b1_2020-01-01T00:00:00Z.d', size: 0, directory: true};
		const removed: string[] = [];
		const sftp: Storage = {
			...storage,
			async *list(prefix, options) {
				if (directory.key.startsWith(prefix)) yield directory;
				yield* storage.list(prefix, options);
			},
			async remove(keys, options) {
				removed.push(...keys);
				return storage.remove(keys, options);
			},
		};
		assert.deepEqual((await purge(sftp, ['b1'])).errors, []);
		assert.deepEqual(removed, [members[0], ...members.slice(1).toSorted(), directory.key]);
	});

	it('lists what all directories have in common', async () => {
		const storage = await storageWith([
			'u/b1/x/b1_2020-01-01T00:00:00Z.dump',
			'u/b1/x/b1_2026-10-01T00:00:00Z.dump',
			'u/b2/x/b1_2020-01-01T00:00:00Z.dump',
		]);
		const listings: string[] = [];
		await purge(
			{...storage, list: (prefix, options) => (listings.push(prefix), storage.list(prefix, options))},
			['b1', 'b2'],
			{
				directoryOf: text => `u/${text}/x/`,
			},
		);
		assert.deepEqual(listings, ['u/']);
		assert.deepEqual(await keysOf(storage), [
			'u/b1/x/b1_2026-10-01T00:00:00Z.dump',
			'u/b2/x/b1_2020-01-01T00:00:00Z.dump',
		]);
	});

	it('returns every error, and does not touch the files of a manifest that stays', async () => {
		const old = ['b1', 'b2', 'b3'].map(name => `pre/${name}_2020-01-01T00:00:00Z.dump`);
		const manifest = 'pre/pg_back_2020-01-01T00:00:00Z.manifest.json';
		const keys = [...old, manifest, ...['b1', 'b2', 'b3'].map(name => `pre/${name}_2026-10-01T00:00:00Z.dump`)];
		const storage = await storageWith(keys);
		const denied = new Set([...old.slice(1), manifest]);
		const strict: Storage = {
			...storage,
			remove: async (wanted, options) => {
				const results = await storage.remove(
					wanted.filter(key => !denied.has(key)),
					options,
				);
				return [...results, ...wanted.filter(key => denied.has(key)).map(key => ({key, error: new Error('denied')}))];
			},
		};
		const time = Date.parse('2020-01-01T00:00:00Z');
		const records = [{path: manifest, runId: 'r', time, files: [{path: old[0]!, good: true}]}];
		const {errors, events} = await purge(strict, ['b1', 'b2', 'b3'], {records});
		assert.deepEqual(
			errors.map(error => [error.code, error.message]),
			[manifest, old[1], old[2]].map(key => [
				'PURGE_FAILED',
				`could not remove ${key} from ${storage.location}: denied`,
			]),
		);
		assert.deepEqual(await keysOf(storage), keys.toSorted());
		assert.ok(events.some(event => event.type === 'file.kept' && event.reason === 'its manifest could not be removed'));
		denied.clear();
		assert.deepEqual((await purge(strict, ['b1', 'b2', 'b3'], {records})).errors, []);
		assert.equal((await keysOf(storage)).length, 3);
	});

	it('removes nothing when the listing fails midway', async () => {
		const storage = await storageWith(['pre/b1_2020-01-01T00:00:00Z.dump', recent]);
		const broken: Storage = {
			...storage,
			async *list(prefix, options) {
				yield* storage.list(prefix, options);
				throw new Error('connection reset');
			},
		};
		const {errors} = await purge(broken, ['b1']);
		assert.match(errors[0]?.message ?? '', /could not purge memory:.*: connection reset/);
		assert.equal((await keysOf(storage)).length, 2);
	});

	it('reports a directory dump that cannot be listed or removed, and a removal that throws', async () => {
		const storage = await storageWith([...members, 'pre/b1_2020-02-01T00:00:00Z.dump', recent]);
		let listings = 0;
		const broken: Storage = {
			...storage,
			async *list(prefix, options) {
				if (listings++ > 0) throw new Error('no list');
				yield* storage.list(prefix, options);
			},
			remove: async () => {
				throw new Error('no remove');
			},
		};
		assert.deepEqual((await purge(broken, ['b1'])).errors.map(error => error.message.replace(/.*: /, '')).toSorted(), [
			'no list',
			'no remove',
		]);
		const {errors} = await purge({...storage, remove: broken.remove}, ['b1']);
		assert.deepEqual(
			errors.map(error => error.message.replace(/.*: /, '')),
			['no remove', 'no remove'],
		);
	});

	it('says what a storage says as it is, and once', async () => {
		const old = ['pre/b1_2020-01-01T00:00:00Z.dump', 'pre/b1_2020-01-02T00:00:00Z.dump'];
		const storage = await storageWith([...old, ...members, recent]);
		const where = (key: string) => ({operation: 'remove', location: storage.location, key}) as const;
		const strict: Storage = {
			...storage,
			remove: keys =>
				Promise.resolve(keys.map(key => ({key, error: storageError('forbidden', where(key), 'access denied')}))),
		};
		const {errors} = await purge(strict, ['b1']);
		assert.deepEqual(
			errors.map(error => error.message).toSorted(),
			[members[0]!, ...old].map(key => `could not remove ${key} from ${storage.location}: access denied`).toSorted(),
		);
	});

	it('ends at a remote that cannot be reached, with one error', async () => {
		const storage = await storageWith([...members, 'pre/b1_2020-02-01T00:00:00Z.dump', recent]);
		const gone = new StorageError('network', 'could not remove sftp://x/: connection refused', {exhausted: true});
		let calls = 0;
		const {errors, events} = await purge({...storage, remove: () => (calls++, Promise.reject(gone))}, ['b1']);
		assert.equal(calls, 1);
		assert.deepEqual(
			errors.map(error => [error.code, error.message]),
			[['STORAGE', `could not purge ${storage.location}: could not remove sftp://x/: connection refused`]],
		);
		assert.deepEqual(
			events.filter(event => event.type === 'file.removed'),
			[],
		);
	});

	it('says what is known when it is canceled', async () => {
		const old = ['03', '02', '01'].map(date => `pre/b1_2020-01-${date}T00:00:00Z.dump`); // in the order of removal
		const storage = await storageWith([...old, recent]);
		const controller = new AbortController();
		const results = [{}, {error: new Error('x'), unchecked: 'requested'}, {error: new Error('x')}] as const;
		const canceling: Storage = {
			...storage,
			remove(keys) {
				controller.abort(new Error('stop'));
				return Promise.resolve(keys.map((key, index) => ({key, ...results[index]})));
			},
		};
		const events: NewEvent[] = [];
		const emit = (event: NewEvent) => void events.push(event);
		await assert.rejects(purge(canceling, ['b1'], {signal: controller.signal}, emit), /stop/);
		assert.deepEqual(
			events.flatMap(event => (event.type === 'file.removed' ? event.path : event.type === 'log' ? event.text : [])),
			[
				old[0],
				`removing ${old[1]}: older than 30 days (requested, but not checked)`,
				`the purge of ${storage.location} was canceled after 1 of 3 removals; of 1 more the outcome is not known`,
			],
		);
	});

	it('has one error for all removals that could not be checked, and ends', async () => {
		const old = ['01', '02'].map(date => `pre/b1_2020-01-${date}T00:00:00Z.dump`);
		const storage = await storageWith([...old, ...members, recent]);
		let calls = 0;
		const blind: Storage = {
			...storage,
			remove(keys) {
				calls++;
				const error = new StorageError('forbidden', 'unchecked', {cause: new Error('access denied')});
				return Promise.resolve(keys.map(key => ({key, error, unchecked: 'confirmed'})));
			},
		};
		const {errors, events} = await purge(blind, ['b1']);
		assert.equal(calls, 1);
		assert.deepEqual(
			errors.map(error => error.message),
			[`the removal of 1 file from ${storage.location} was confirmed, but could not be checked: access denied`],
		);
		assert.ok(!events.some(event => event.type === 'file.removed'));
	});

	it('ends when it is told to', async () => {
		const controller = new AbortController();
		const storage = await storageWith([recent]);
		controller.abort(new Error('stop'));
		await assert.rejects(purge(storage, ['b1'], {signal: controller.signal}), /stop/);
	});
});
