/** Deleting for good: the number of files must be typed. */
import {messageOf} from '../../core/errors.js';
import {plural} from '../../lib/format.js';
import type {Console} from '../console.js';
import {chosenFiles} from './fetch.js';
import {refresh} from './files-view.js';

const shownNames = 6;

export function removeFiles(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	ask(c, chosen.location, withChecksums(c, chosen.rows));
}

/** A dump takes its checksum files with it: alone they would be orphans. */
function withChecksums(c: Console, rows: readonly number[]): readonly string[] {
	const table = c.files.table();
	const runs = new Set(rows.map(row => table.run(row)));
	const keys = new Set(rows.map(row => table.key(row)));
	for (let row = 0; row < table.count(); row++) {
		if (!table.isChecksum(row) || !runs.has(table.run(row))) continue;
		const key = table.key(row);
		if (keys.has(key.replace(/\.[^.]+$/, ''))) keys.add(key);
	}
	return [...keys];
}

function ask(c: Console, location: string, keys: readonly string[], problem?: string): void {
	c.ask({
		kind: 'form',
		title: `Delete ${plural(keys.length, 'file')} for good`,
		text: [
			...keys.slice(0, shownNames),
			...(keys.length > shownNames ? [`and ${keys.length - shownNames} more`] : []),
			'',
			`There is no way back. Type ${keys.length} to delete.`,
		],
		fields: [{name: 'count', label: 'number of files', kind: 'text', value: ''}],
		cursor: 0,
		problem,
		submit({count = ''}) {
			if (count.trim() !== String(keys.length))
				return ask(c, location, keys, `this is not ${keys.length}: nothing was deleted`);
			c.ask(undefined);
			c.say(`deleting ${plural(keys.length, 'file')}`, 'running');
			c.handle.remove(location, keys).then(
				failed => {
					const [first] = failed;
					if (first === undefined) c.say(`${plural(keys.length, 'file')} deleted`, 'done');
					else c.say(`${failed.length} could not be deleted: ${first.key}: ${first.message}`, 'failed');
					refresh(c);
				},
				(error: unknown) => c.say(messageOf(error), 'failed'),
			);
		},
	});
}
