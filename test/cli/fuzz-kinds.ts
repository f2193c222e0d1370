/** Readers with faults, to prove that the fuzzer finds each sort. */
import type {Kind} from '../../scripts/fuzzing/kinds.js';
import {PgBackError} from '../../source/core/errors.js';

const samples = ['a[b', 'x'];
const refuse = (text: string) => {
	if (text.includes('=')) throw new PgBackError('CONFIG', 'refused');
};

export const kinds: Readonly<Record<string, Kind>> = {
	good: {samples, read: refuse},
	throws: {
		samples,
		read: text => {
			refuse(text);
			if (text.includes('[')) throw new TypeError('not ours');
		},
	},
	bug: {
		samples,
		read: text => {
			if (text.includes('[')) throw new PgBackError('BUG', 'ours, but a bug');
		},
	},
	hangs: {
		samples,
		read: text => {
			while (text.includes('['));
		},
	},
	'never settles': {samples, read: text => (text.includes('[') ? new Promise(() => undefined) : undefined)},
};
