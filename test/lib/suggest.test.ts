import assert from 'node:assert/strict';
import {test} from 'node:test';
import {didYouMean, nearest} from '../../source/lib/suggest.js';

const words = ['upload', 'upload-prefix', 'download', 'jobs'];

test('the nearest word is suggested, if it is near', () => {
	assert.equal(nearest('uplod', words), 'upload');
	assert.equal(nearest('Upload_Prefix', words), 'upload-prefix');
	assert.equal(nearest('job', words), 'jobs');
	assert.equal(nearest('ture', ['true']), 'true', 'two letters changed places');
	assert.equal(nearest('s4', ['b2', 's3']), 's3');
	assert.equal(nearest('down', words), 'download', 'the only one that begins so');
	assert.equal(nearest('uplo', ['upload-a', 'upload-b']), undefined);
	assert.equal(nearest('bogus', words), undefined);
	assert.equal(nearest('x', words), undefined);
	assert.equal(nearest('', words), undefined);
	assert.equal(nearest('upload'.repeat(50), words), undefined);
	assert.equal(didYouMean('uplod', words, '--'), ', did you mean --upload?');
	assert.equal(didYouMean('zzz', words), '');
});

test('a command line of long words that are no options does not take seconds', () => {
	const candidates = Array.from({length: 200}, (_, index) => `an-option-of-some-length-${index}`);
	const before = process.cpuUsage();
	for (let index = 0; index < 200; index++) assert.equal(nearest(`${'z'.repeat(90)}${index}`, candidates), undefined);
	const {user, system} = process.cpuUsage(before);
	assert.ok(user + system < 500_000, `${(user + system) / 1e6} s`);
});
