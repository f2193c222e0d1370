/** The status socket in one process: slow readers, requests, its place. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {mkdtempSync, readdirSync} from 'node:fs';
import {connect, Server} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {isDeepStrictEqual} from 'node:util';
import fc from 'fast-check';
import {createBus} from '../../source/core/bus.js';
import type {RunState} from '../../source/core/run-state.js';
import {takeSnapshot} from '../../source/core/snapshot.js';
import {LineReader} from '../../source/runs/line-reader.js';
import {connectToRun} from '../../source/runs/status-client.js';
import {openStatusSocket, type StatusRequest, type StatusSocket} from '../../source/runs/status-socket.js';
import {waitFor} from '../helpers/postgres.js';

const opened: StatusSocket[] = [];
after(async () => {
	for (const one of opened) await one.close();
});

async function open() {
	const directory = mkdtempSync(join(tmpdir(), 'pgb-status-'));
	const bus = createBus();
	bus.emit({type: 'run.started', schema: 1, runId: 'r', command: 'backup', version: '3.0.0', host: 'db1', pid: 42});
	const requests: StatusRequest[] = [];
	const socket = await openStatusSocket({directory, tag: 'abc123', env: {}, bus, onRequest: one => requests.push(one)});
	opened.push(socket);
	return {directory, bus, socket, requests};
}

const plain = (state: RunState): unknown => JSON.parse(JSON.stringify(takeSnapshot(state)));

test('a late reader has the state first, then the events, and ends up with the same state', async () => {
	const {bus, socket} = await open();
	bus.emit({
		type: 'run.planned',
		jobs: [{id: 'database:ä', kind: 'database', name: 'ä', stages: ['dump']}],
		concurrency: 2,
		destinations: ['/b'],
	});
	const reader = await connectToRun(socket.path);
	assert.ok(reader);
	assert.deepEqual(plain(reader.state()), plain(bus.state()));
	bus.emit({type: 'job.started', job: 'database:ä', attempt: 1});
	bus.emit({type: 'stage.started', job: 'database:ä', stage: 'dump'});
	bus.emit({type: 'progress', jobs: [{job: 'database:ä', stages: {dump: {bytesIn: 1, bytesOut: 2}}, fraction: 0.5}]});
	await waitFor(async () => reader.state().time === bus.state().time && reader.state().logCount > 0, 'the events');
	await waitFor(async () => isDeepStrictEqual(plain(reader.state()), plain(bus.state())), 'the same state');
	reader.close();
});

test('a client that does not read is disconnected, and the run never waits for it', async () => {
	const {bus, socket} = await open();
	const slow = connect(socket.path);
	await once(slow, 'data');
	slow.pause();
	const good = await connectToRun(socket.path);
	assert.ok(good);
	const text = 'x'.repeat(64 << 10);
	const before = process.memoryUsage().rss;
	for (let sent = 0; sent < 2000; sent++) {
		bus.emit({type: 'log', level: 'info', text});
		if (sent % 20 === 19) await waitFor(async () => good.state().logCount > sent, 'the reader that reads');
	}
	assert.ok(process.memoryUsage().rss - before < 400 << 20, 'the backlog is bounded');
	slow.resume();
	await once(slow, 'close');
	good.close();
});

test('a connection that cannot be accepted does not end the run', async t => {
	const servers: Server[] = [];
	const listen = Reflect.get(Server.prototype, 'listen') as (...args: unknown[]) => Server;
	t.mock.method(Server.prototype, 'listen', function (this: Server, ...args: unknown[]) {
		servers.push(this);
		return listen.apply(this, args);
	});
	const {socket} = await open();
	const [server] = servers;
	assert.ok(server);
	server.emit('error', Object.assign(new Error('accept EMFILE'), {code: 'EMFILE'}));
	const reader = await connectToRun(socket.path);
	assert.ok(reader);
	reader.close();
});

test('requests are validated: known ones arrive, a client that sends others is disconnected', async () => {
	const {socket, requests} = await open();
	const reader = await connectToRun(socket.path);
	assert.ok(reader);
	reader.request({type: 'cancel'});
	reader.request({type: 'cancel', job: 'database:a'});
	reader.request({type: 'retry', job: 'database:a'});
	await waitFor(async () => requests.length === 3, 'the requests');
	assert.deepEqual(requests, [
		{type: 'cancel'},
		{type: 'cancel', job: 'database:a'},
		{type: 'retry', job: 'database:a'},
	]);
	for (const bad of ['{"type":"retry"}\n', '{"type":"drop"}\n', 'GET / HTTP/1.1\r\n\r\n', 'x'.repeat(100_000)]) {
		const stranger = connect(socket.path);
		stranger.on('error', () => undefined);
		stranger.resume();
		await once(stranger, 'connect');
		stranger.write(bad);
		await once(stranger, 'close');
	}
	assert.equal(requests.length, 3);
	reader.close();
});

test('closing takes the name away, tells readers the end, and leaves nothing', async () => {
	const {directory, bus, socket} = await open();
	const reader = await connectToRun(socket.path);
	assert.ok(reader);
	bus.emit({type: 'run.finished', exitCode: 0, outcome: 'done'});
	await socket.close();
	await reader.ended;
	assert.equal(reader.state().finished?.exitCode, 0);
	assert.deepEqual(readdirSync(directory), []);
	assert.equal(await connectToRun(socket.path), undefined);
});

test('lines come out as they went in, however they are cut; too long ones throw', () => {
	fc.assert(
		fc.property(
			fc.array(fc.string({maxLength: 40}).filter(text => !text.includes('\n'))),
			fc.integer({min: 1, max: 9}),
			(lines, size) => {
				const reader = new LineReader(1000);
				const bytes = Buffer.from(lines.map(line => `${line}\n`).join(''));
				const got: string[] = [];
				for (let at = 0; at < bytes.length; at += size) got.push(...reader.push(bytes.subarray(at, at + size)));
				assert.deepEqual(
					got,
					lines.map(line => Buffer.from(line).toString()),
				);
			},
		),
	);
	assert.throws(() => new LineReader(10).push(Buffer.from('12345678901')), RangeError);
});
