/** Upload records that others have planted: named, never obeyed, never removed. Run as an ordinary user. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {
	chmodSync,
	chownSync,
	existsSync,
	linkSync,
	mkdirSync,
	readdirSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {beforeEach, test} from 'node:test';
import {runProgram, scratchDirectory} from '../helpers/program.js';

const isRoot = process.getuid?.() === 0;
const user = isRoot ? 65_534 : (process.getuid?.() ?? 0);
const wrapper = isRoot ? ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--'] : [];

let base = '';
let directory = '';
let store = '';
beforeEach(() => {
	base = scratchDirectory('planted');
	directory = join(base, 'backups');
	store = join(base, 'store');
	for (const path of [directory, store]) {
		mkdirSync(path, {mode: 0o700});
		give(path);
	}
});

function give(path: string, owner = user): void {
	if (isRoot) chownSync(path, owner, owner);
}

const dump = 'app_2026-11-20T02:00:00Z.dump';

function file(path: string, text = 'a dump', owner = user): string {
	writeFileSync(path, text, {mode: 0o600});
	give(path, owner);
	return path;
}

function recordName(key: string, location = `${store}/`): string {
	const digest = createHash('sha256').update(`${location}\0${key}`).digest('hex').slice(0, 16);
	return `.pg_back-upload-${digest}.json`;
}

function record(more: Record<string, unknown> = {}): Record<string, unknown> {
	const path = join(directory, typeof more['file'] === 'string' ? more['file'] : dump);
	const stats = existsSync(path) ? statSync(path) : {size: 6, mtimeMs: 1};
	return {
		run: 'abcdef',
		location: `${store}/`,
		key: dump,
		file: dump,
		size: stats.size,
		modified: stats.mtimeMs,
		deleteLocal: true,
		...more,
	};
}

/** Plants a record under the name that matches its content. */
function plant(value: Record<string, unknown>, owner = user): string {
	return file(
		join(directory, recordName(String(value['key']), String(value['location']))),
		JSON.stringify(value),
		owner,
	);
}

const resume = (...more: string[]) =>
	runProgram(
		['--no-config-file', '-b', directory, '--resume-uploads', '--upload', 'local', '--local-directory', store, ...more],
		{wrapper},
	);

async function refused(path: string, why: RegExp, ...more: string[]): Promise<void> {
	const {code, stderr} = await resume(...more);
	assert.equal(code, 0, stderr);
	const warnings = stderr.split('\n').filter(line => line.includes('WARN') && line.includes('upload record'));
	assert.equal(warnings.length, 1, stderr);
	assert.match(warnings[0] ?? '', why);
	assert.ok(existsSync(path) || statSync(path, {throwIfNoEntry: false}) === undefined, 'the record is left');
	assert.deepEqual(readdirSync(store), [], 'nothing was uploaded');
}

test('a record of our own is obeyed; the file is kept unless delete_uploaded is set', async () => {
	file(join(directory, dump));
	plant(record());
	const {code, stderr} = await resume();
	assert.equal(code, 0, stderr);
	assert.deepEqual(readdirSync(store), [dump]);
	assert.deepEqual(readdirSync(directory), [dump]);
});

test('one that names a file outside of the backup directory', async () => {
	const secret = file(join(base, 'id_rsa'), 'secret');
	const path = plant(record({file: '../id_rsa', key: 'loot'}));
	await refused(path, /its file \.\.\/id_rsa is not a pg_back file name/, '--delete-uploaded=yes');
	assert.ok(existsSync(secret));
});

test('one that names an absolute path, a hidden name or a name that is none of ours', async () => {
	for (const name of [join(base, dump), `../${dump}`, 'notes.txt', '.pgpass', `sub/${dump}`, `${dump}/../../${dump}`]) {
		file(join(base, dump));
		const path = plant(record({file: name}));
		await refused(path, /is not a pg_back file name/);
	}
});

test('a member of a dump that is a hidden file, or below a symbolic link', async () => {
	const name = 'app_2026-11-20T02:00:00Z.d';
	mkdirSync(join(base, 'elsewhere'));
	file(join(base, 'elsewhere', 'toc.dat'));
	symlinkSync(join(base, 'elsewhere'), join(directory, name));
	const path = plant(record({file: `${name}/toc.dat`, key: `${name}/toc.dat`}));
	await refused(path, /is not a directory/);
	const hidden = plant(record({file: `${name}/.x`, key: `${name}/.x`}));
	const {stderr} = await resume();
	assert.match(stderr, /its file .*\/\.x is not a pg_back file name/);
	assert.ok(existsSync(hidden));
	assert.deepEqual(readdirSync(store), []);
});

test('a dump that is a symbolic link', async () => {
	symlinkSync(file(join(base, 'target')), join(directory, dump));
	await refused(plant(record()), /is not a regular file/);
});

test('one with a key that we would not give the file', async () => {
	file(join(directory, dump));
	await refused(plant(record({key: 'loot'})), /its key loot is not the key of/);
});

test('one whose name does not match its content, and fields of the wrong kind', async () => {
	file(join(directory, dump));
	const path = file(join(directory, recordName('other')), JSON.stringify(record()));
	await refused(path, /its name does not match its content/);
});

for (const [field, value] of [
	['run', '../../x'],
	['size', -1],
	['size', '6'],
	['modified', 'now'],
	['sha256', 'abc'],
	['deleteLocal', 'yes'],
	['announced', 1],
	['location', null],
] as const) {
	test(`one with ${field}: ${JSON.stringify(value)}`, async () => {
		file(join(directory, dump));
		const name = join(directory, recordName(dump));
		file(name, JSON.stringify(record({[field]: value})));
		await refused(name, new RegExp(field));
		assert.deepEqual(readdirSync(base).toSorted(), ['backups', 'store']);
	});
}

test('one that is a link, a pipe or a directory, has two names, or that others can read', async () => {
	file(join(directory, dump));
	const name = join(directory, recordName(dump));
	symlinkSync(file(join(base, 'planted.json'), JSON.stringify(record())), name);
	await refused(name, /it is a symbolic link/);
	const second = join(directory, recordName('directory'));
	mkdirSync(second);
	const third = join(directory, recordName('linked'));
	linkSync(file(join(base, 'linked.json'), JSON.stringify(record({key: 'linked'}))), third);
	const fourth = plant(record({key: 'open'}));
	chmodSync(fourth, 0o644);
	const {code, stderr} = await resume();
	assert.equal(code, 0, stderr);
	for (const why of ['not a regular file', 'more than one hard link', 'mode 0644'])
		assert.equal(stderr.split(why).length, 2, stderr);
	for (const path of [second, third, fourth]) assert.ok(existsSync(path));
});

test('one of another user, and a dump of another user', {skip: !isRoot && 'needs root'}, async () => {
	file(join(directory, dump));
	const theirs = plant(record(), 1);
	await refused(theirs, /(belongs to another user \(uid 1\)|cannot be read)/);
	chmodSync(theirs, 0o644);
	await refused(theirs, /belongs to another user \(uid 1\)/);
	give(theirs);
	chmodSync(theirs, 0o600);
	give(join(directory, dump), 1);
	await refused(theirs, /app_.* belongs to another user \(uid 1\)/);
});

test('one for another store is left for a run that uploads there', async () => {
	file(join(directory, dump));
	const path = plant(record({location: 's3://elsewhere/'}));
	const {code, stderr} = await resume();
	assert.equal(code, 0, stderr);
	assert.match(stderr, /INFO: upload of app_.* to s3:\/\/elsewhere\/ is not resumed: this run uploads to/);
	assert.ok(existsSync(path));
	assert.deepEqual(readdirSync(store), []);
});
