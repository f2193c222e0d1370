import assert from 'node:assert/strict';
import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import type {ArtifactOptions, OutputSettings} from '../../source/stages/artifact.js';
import {discardAll} from '../../source/stages/artifact.js';
import {dumpToDirectory} from '../../source/stages/dump-directory.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-directory-'));
after(() => rmSync(base, {recursive: true}));

/** `script` is what stands in for pg_dump; $1 is the directory that it fills. */
async function dump(script: string, settings: Partial<OutputSettings> = {}, signal = new AbortController().signal) {
	const place = mkdtempSync(join(base, 'x-'));
	const options: ArtifactOptions = {
		plainPath: join(place, 'x.d'),
		role: 'dump',
		settings: {run: 'abc123', mode: 0o640, extraAlgorithms: ['sha256'], keepSource: false, ...settings},
		signal,
	};
	const command = (directory: string) => ({
		command: 'sh',
		args: ['-c', script, 'sh', directory],
		env: {PATH: process.env['PATH']},
		inherit: [],
		what: 'the dump',
		onLine: () => undefined,
		onStart: () => undefined,
	});
	return {place, result: dumpToDirectory(command, options)};
}

test('members, their digests and modes; nothing under a final name yet', async () => {
	const {place, result} = await dump('echo toc >$1/toc.dat; mkdir $1/sub; echo one >$1/sub/1.dat');
	const written = await result;
	assert.deepEqual(
		written.contents.map(({name, plainSize}) => [name, plainSize]),
		[
			['x.d/sub/1.dat', 4],
			['x.d/toc.dat', 4],
		],
	);
	const [partial = ''] = readdirSync(place);
	assert.match(partial, /^\.pg_back-abc123-/);
	assert.equal(statSync(join(place, partial)).mode & 0o777, 0o750);
	assert.equal(statSync(join(place, partial, 'sub/1.dat')).mode & 0o777, 0o640);
	assert.equal(readFileSync(join(place, partial, 'toc.dat'), 'utf8'), 'toc\n');
	await discardAll([written]);
	assert.deepEqual(readdirSync(place), []);
});

for (const [what, script, message] of [
	['fails', 'echo x >$1/toc.dat; echo why >&2; exit 3', /the dump: exit status 3: why/],
	['forgets its table of contents', 'echo x >$1/1.dat', /no table of contents/],
	['is killed', 'kill -9 $$', /SIGKILL/],
] as const) {
	test(`nothing is left of one that ${what}`, async () => {
		const {place, result} = await dump(script);
		await assert.rejects(result, message);
		assert.deepEqual(readdirSync(place), []);
	});
}

test('is ended by the signal, and leaves nothing', async () => {
	const abort = new AbortController();
	const {place, result} = await dump('echo x >$1/toc.dat; exec sleep 100', {}, abort.signal);
	const failed = assert.rejects(result, /stop/);
	abort.abort(new Error('stop'));
	await failed;
	assert.deepEqual(readdirSync(place), []);
});
