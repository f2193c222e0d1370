/** The sweeps of hostile names and keys of `npm run test:faults` in a short form. What they find is a bug, whatever the seed. */
import {test} from 'node:test';
import {keySweep} from '../../scripts/faults/keys.js';
import {nameSweep} from '../../scripts/faults/names.js';
import {report, seed} from './fault-report.js';

const parts = 8;
for (let part = 0; part < parts; part++) {
	test(`hostile names, and what is printed of them: part ${part + 1} of ${parts}`, async context =>
		report(context, ...(await nameSweep(3, seed, part, parts))));
}
test('hostile keys', async context => report(context, await keySweep(80, 3, seed)));
