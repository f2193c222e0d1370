import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {withNetworkWatch} from '../../source/storage/decorators/network.js';
import {StorageError} from '../../source/storage/errors.js';
import {createNetworkWatch, type Stall} from '../../source/storage/network-watch.js';
import {bytesSource} from '../../source/storage/source.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';
import {never, readAll} from '../helpers/storage-tools.js';

function watched() {
	let time = 1000;
	const told: (Stall | undefined)[] = [];
	const watch = createNetworkWatch(
		() => time,
		stall => told.push(stall),
	);
	const socket = {bytesRead: 0, bytesWritten: 0, destroyed: false, _handle: {writeQueueSize: 0}};
	watch.addSocket(socket);
	const after = (seconds: number) => {
		time += seconds * 1000;
		watch.look();
	};
	return {watch, socket, told, after};
}

describe('a network that takes nothing', () => {
	it('is told by the bytes of the connections, once it has lasted, and when it is over', () => {
		const {watch, socket, told, after} = watched();
		after(60);
		assert.deepEqual(told, [], 'nothing is to be sent');
		const transfer = watch.begin();
		// A part of 16 MiB is handed over at once; the kernel takes it bit by bit.
		socket.bytesWritten = 1 << 24;
		socket._handle.writeQueueSize = 1 << 24;
		for (let second = 0; second < 30; second++) {
			socket._handle.writeQueueSize -= 1000;
			after(1);
		}
		assert.deepEqual(told, [], 'a slow line moves');
		after(9);
		assert.deepEqual(told, []);
		after(1);
		after(1);
		assert.deepEqual(told, [{since: 91_000}]);
		socket._handle.writeQueueSize -= 1;
		after(1);
		assert.deepEqual(told, [{since: 91_000}, undefined]);
		transfer.pause();
		after(60);
		assert.equal(told.length, 2, 'it waits for us');
		transfer.resume();
		transfer.end();
		after(60);
		assert.equal(told.length, 2);
	});

	it('is told by attempts that fail, with the reason, from the first one on', () => {
		const {watch, told, after} = watched();
		watch.failed(new Error('connection refused'));
		after(5);
		watch.failed(new Error('connection refused'));
		after(6);
		assert.deepEqual(told, [{since: 1000, reason: 'connection refused'}]);
		watch.moved();
		after(0);
		assert.deepEqual(told[1], undefined);
		assert.equal(told.length, 2);
	});

	it('hears of every transfer of a storage: what is permanent is no matter of the network', async () => {
		const {watch, told, after} = watched();
		const memory = createMemoryStorage();
		let fault: StorageError | undefined = new StorageError('forbidden', 'no');
		const storage = withNetworkWatch(
			{
				...memory,
				async put(key, source, options) {
					if (fault) throw fault;
					return memory.put(key, source, options);
				},
			},
			watch,
		);
		const put = () => storage.put('a', bytesSource(Buffer.from('abc')), {signal: never});
		await assert.rejects(put());
		after(11);
		assert.equal(told.length, 0);
		fault = new StorageError('network', 'connection reset');
		await assert.rejects(put());
		after(11);
		assert.deepEqual(
			told.map(stall => stall?.reason),
			['connection reset'],
		);
		fault = undefined;
		await put();
		after(0);
		assert.equal(told.length, 2);
		assert.equal((await readAll(storage.get('a', {signal: never}))).toString(), 'abc');
	});
});
