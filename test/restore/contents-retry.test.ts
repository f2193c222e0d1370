/** A member that is tried again: the table of contents, which was left out for it, follows. */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {Encrypter} from 'age-encryption';
import {createBus} from '../../source/core/bus.js';
import {contentsLast, type FileTask} from '../../source/restore/contents-last.js';
import {createFetchHandle} from '../../source/restore/fetch-handle.js';
import {Scheduler} from '../../source/runs/scheduler.js';
import type {Work} from '../../source/runs/work-runner.js';
import {never} from '../helpers/postgres.js';
import {newKeyFile, scratchDirectory} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';

const dump = 'a_2026-11-22T04:00:00Z.d';
const members = ['1.dat', '2.dat', 'toc.dat'];

test('in the run that is under way', async () => {
	let wrong: readonly string[] = ['1.dat', '2.dat'];
	const written: string[] = [];
	const tasks = members.map((name): FileTask => ({
		path: `${dump}/${name}`,
		task: {
			plan: {id: name, kind: 'download', name, stages: ['download']},
			run: async () => {
				if (wrong.includes(name)) throw new Error('lost');
				written.push(name);
			},
		},
	}));
	const scheduler = new Scheduler({concurrency: 3, emit: () => undefined, signal: never});
	scheduler.add(contentsLast(tasks));
	await scheduler.idle();
	const outcomes = () => scheduler.outcomes().map(({outcome}) => outcome);
	assert.deepEqual(outcomes(), ['failed', 'failed', 'failed']);
	wrong = [];
	assert.equal(scheduler.retry('1.dat'), true);
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['done', 'failed', 'failed'], 'another one is missing');
	scheduler.retry('2.dat');
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['done', 'done', 'done']);
	assert.deepEqual(written, members);
});

for (const again of ['1.dat', 'toc.dat'])
	test(`after the end of the run, by ${again}`, async () => {
		const [backups, target] = [scratchDirectory('contents'), scratchDirectory('contents')];
		const {recipient, file} = await newKeyFile();
		const run = await runContext(['-b', backups, '--cipher-identity-file', file]);
		const path = (name: string) => join(backups, dump, `${name}.age`);
		const encrypted = async (name: string) => {
			const encrypter = new Encrypter();
			encrypter.addRecipient(recipient);
			return encrypter.encrypt(name);
		};
		mkdirSync(join(backups, dump));
		for (const name of members) writeFileSync(path(name), await encrypted(name));
		const whole = await encrypted('1.dat');
		writeFileSync(path('1.dat'), whole.subarray(0, -1));

		const bus = createBus();
		const works: Promise<unknown>[] = [];
		const start = (work: Work) => void works.push(work({...run, emit: bus.emit}));
		const handle = createFetchHandle(bus, run.configuration.settings, {
			start: async () => assert.fail(),
			startInBackground: async (_, work) => start(work),
		});
		const ended = async () => Promise.all(works.splice(0));
		const keys = members.map(name => `${dump}/${name}.age`);
		await handle.decrypt({keys, target, verify: false, force: false});
		await ended();
		assert.deepEqual(readdirSync(join(target, dump)), ['2.dat']);
		await handle.again(`decrypt:${path('toc.dat')}`, undefined);
		await ended();
		assert.deepEqual(readdirSync(join(target, dump)), ['2.dat'], 'a part does not look like a dump');
		writeFileSync(path('1.dat'), whole);
		await handle.again(`decrypt:${path(again)}`, undefined);
		await ended();
		assert.deepEqual(readdirSync(join(target, dump)).sort(), members);
	});
