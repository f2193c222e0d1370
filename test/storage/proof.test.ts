import assert from 'node:assert/strict';
import {test} from 'node:test';
import {type Comparison, isProof, judge, proofText} from '../../source/storage/proof.js';

const crc = (stored: string): Comparison => ({algorithm: 'crc32', from: 'checksum', sent: 'aa', stored});
const tag = (stored: string): Comparison => ({algorithm: 'md5', from: 'etag', sent: 'ee', stored});

const cases: readonly (readonly [string, number | undefined, readonly Comparison[], string])[] = [
	['a checksum of the service that fits', 5, [crc('aa')], 'proven checksum'],
	['a checksum that fits where no size is reported', undefined, [crc('aa')], 'proven checksum'],
	['an ETag that fits', 5, [tag('ee')], 'proven etag'],
	['both: the checksum is the stronger one', 5, [tag('ee'), crc('aa')], 'proven checksum'],
	['the size alone', 5, [], 'unproven size'],
	['nothing at all', undefined, [], 'doubtful'],
	['another size, whatever the checksum says', 4, [crc('aa'), tag('ee')], 'damaged'],
	['another checksum', 5, [crc('ab'), tag('ee')], 'damaged'],
	['an ETag that differs and no checksum: it may be no MD5', 5, [tag('ff')], 'doubtful'],
	['an ETag that differs from what the checksum says', 5, [crc('aa'), tag('ff')], 'doubtful'],
];

for (const [name, stored, comparisons, expected] of cases) {
	test(`${name}: ${expected}`, () => {
		const verdict = judge({sent: 5, stored, comparisons});
		assert.equal('proof' in verdict ? `${verdict.kind} ${verdict.proof.by}` : verdict.kind, expected);
	});
}

test('a size that differs is said with both numbers', () => {
	const reasonOf = (stored: number) => {
		const verdict = judge({sent: 5, stored, comparisons: []});
		return 'reason' in verdict ? verdict.reason : '';
	};
	assert.deepEqual([reasonOf(4), reasonOf(6)], ['only 4 of 5 bytes were stored', '6 bytes were stored instead of 5']);
});

test('only the size is no proof, and the words say which proof it was', () => {
	assert.equal(isProof({by: 'size'}), false);
	assert.equal(isProof({by: 'etag'}), true);
	assert.deepEqual(
		[
			proofText({by: 'checksum', algorithm: 'crc32c'}),
			proofText({by: 'etag'}),
			proofText({by: 'read back'}),
			proofText({by: 'size'}),
		],
		['crc32c computed by the service', 'md5 ETag', 'read back', 'size only'],
	);
});
