/**
 * Services that lie, for the sweep: they store other bytes than they confirm, lose confirmed writes, lose responses,
 * reject removals. Their checksums are always those of what they store, or are omitted: a service that returns the
 * checksum of what it received while it stores other bytes can only be detected by reading back.
 */
import {azureFrontPlace, gcsPlaceOf, sftpPlaceOf} from '../../test/e2e/lying-places.js';
import {type Broken, pickBy} from './broken-places.js';

/** A small Google Cloud Storage of our own. */
export async function lyingGcs(random: () => number): Promise<Broken> {
	const pick = pickBy(random);
	const {place, server} = await gcsPlaceOf();
	let refuses = false;
	return {
		place,
		settings: place.settings,
		env: place.env,
		breakSomething() {
			const objects = pick(1, 1, 2, Infinity);
			Object.assign(
				server.quirks,
				pick<typeof server.quirks>(
					{damage: 'flip', objects},
					{damage: 'cut', objects},
					{damage: 'flip', objects, losesLastAnswer: true},
					{damage: 'cut', objects, losesLastAnswer: true},
					{losesLastAnswer: true, objects},
					{discards: true, objects},
					{discards: true, objects, losesLastAnswer: true},
				),
				pick<typeof server.quirks>(
					{},
					{},
					{without: ['crc32c']},
					{without: ['crc32c', 'md5Hash']},
					{denied: ['remove']},
				),
			);
			const status = pick(undefined, undefined, 503, 429, 500, 403);
			const method = pick('POST', 'PUT', 'GET', 'DELETE');
			// An object that cannot be inspected or removed in time stays, with an error that names it.
			refuses = server.quirks.denied !== undefined || status !== undefined;
			if (status !== undefined)
				server.faults.push({
					matches: line => line.startsWith(method),
					do: {status},
					times: pick(1, 2),
					skip: pick(0, 1),
				});
			return JSON.stringify([
				{...server.quirks, objects: String(objects)},
				status === undefined ? '' : `${method} ${status}`,
			]);
		},
		lies: true,
		keepsDamage: () => refuses,
		mend() {
			server.faults.length = 0;
			for (const name of Object.keys(server.quirks)) Reflect.deleteProperty(server.quirks, name);
		},
		stop: () => place.stop(),
	};
}

/** The official emulator, behind a proxy that changes bodies and responses. */
export async function lyingAzure(random: () => number): Promise<Broken> {
	const pick = pickBy(random);
	const {place, front} = await azureFrontPlace();
	return {
		place,
		settings: place.settings,
		env: place.env,
		breakSomething() {
			const blobs = pick(1, 1, 2, Infinity);
			const md5 = pick<'stored' | 'none'>('stored', 'stored', 'none');
			Object.assign(
				front.lies,
				pick<typeof front.lies>(
					{damage: 'flip', md5, blobs},
					{damage: 'cut', md5, blobs},
					{damage: 'drop block', md5, blobs},
					{damage: 'flip', md5, blobs, losesLastAnswer: true},
					{losesLastAnswer: true, md5},
					{discards: true, blobs},
				),
				pick<typeof front.lies>({}, {}, {denied: ['DELETE']}),
			);
			return JSON.stringify({...front.lies, blobs: String(blobs)});
		},
		lies: true,
		keepsDamage: () => front.lies.denied !== undefined,
		mend: front.calm,
		stop: () => place.stop(),
	};
}

/** ssh2's own server, with its files in memory. */
export async function lyingSftp(random: () => number): Promise<Broken> {
	const pick = pickBy(random);
	const {place, server} = await sftpPlaceOf();
	let keepsDamage = false;
	return {
		place,
		settings: place.settings,
		env: place.env,
		breakSomething(size) {
			let left = pick(1, 1, 2, Infinity);
			const at = Math.floor(random() * size);
			const way = pick<'lost' | 'cut' | 'flipped' | 'repeated' | 'nothing'>(
				'lost',
				'cut',
				'flipped',
				'repeated',
				'nothing',
			);
			server.stores = (offset, data) => {
				if (way === 'nothing' || left <= 0 || at < offset || at >= offset + data.length) return data;
				left--;
				if (way === 'lost') return undefined;
				if (way === 'cut') return data.subarray(0, at - offset);
				const copy = Buffer.from(data);
				if (way === 'flipped') copy[at - offset]! ^= 0x10;
				else copy.fill(data.subarray(0, 1));
				return copy;
			};
			const request = pick<string | undefined>(undefined, 'RENAME', 'CLOSE', 'REMOVE', 'STAT');
			let hits = pick(1, 2);
			if (request !== undefined)
				server.lie = lie => {
					if (lie.request !== request || hits <= 0) return false;
					hits--;
					// Confirmed and not done (a check returns "no such file").
					lie.sftp.status(lie.id, request === 'STAT' ? 2 : 0);
					return true;
				};
			const {code} = pick({code: 0}, {code: 0}, {code: 3});
			if (code > 0) server.refuse = name => (name === 'REMOVE' ? {code, message: 'Permission denied'} : undefined);
			keepsDamage = code > 0 || request === 'REMOVE';
			return JSON.stringify({way, at, times: String(left), confirmedOnly: request ?? '', removalsRefused: code > 0});
		},
		lies: true,
		keepsDamage: () => keepsDamage,
		mend() {
			server.stores = (_offset, data) => data;
			server.lie = () => false;
			server.refuse = () => undefined;
		},
		stop: () => place.stop(),
	};
}
