/** Deletes files permanently: the user must type their number. */
import {messageOf} from '../../core/errors.js';
import {plural} from '../../lib/format.js';
import type {Console} from '../console.js';
import {type Chosen, chosenFiles} from './fetch.js';
import {refresh} from './files-view.js';

const shownNames = 6;

export function removeFiles(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	const keys = withCompanions(c, chosen);
	c.attempt(c.handle.lastGoodOf(chosen.location, keys).then(last => ask(c, {location: chosen.location, keys, last})));
}

/**
 * Adds the checksum files of the dumps, and the manifests of runs that lose all their dumps: they are useless alone. Until
 * a manifest has been read, some dumps of its run may not be known as such, and it stays.
 */
function withCompanions(c: Console, {rows, dumps: chosen}: Pick<Chosen, 'rows' | 'dumps'>): readonly string[] {
	const {key, dumps, runs, isChecksum} = c.files.table();
	const keys = new Set(rows.map(row => key(row)));
	for (const dump of new Set(rows.map(row => dumps.of(row)))) {
		for (const row of dumps.rows(dump))
			if (isChecksum(row) && (chosen || keys.has(key(row).replace(/\.[^.]+$/, '')))) keys.add(key(row));
	}
	if (chosen === undefined) return [...keys];
	const gone = new Set(chosen);
	const emptied = new Set(chosen.map(dump => runs.of(dump)).filter(run => c.files.summary(runs.id(run)) !== undefined));
	const own: number[] = [];
	for (let dump = 0; dump < dumps.count(); dump++) {
		if (dumps.kind(dump) === 'own') own.push(dump);
		else if (!gone.has(dump)) emptied.delete(runs.of(dump));
	}
	for (const dump of own) if (emptied.has(runs.of(dump))) for (const row of dumps.rows(dump)) keys.add(key(row));
	return [...keys];
}

type Removal = {
	readonly location: string;
	readonly keys: readonly string[];
	/** The databases that would lose their last good dump at the location. */
	readonly last: readonly string[];
};

/** Asks for the number; if last good dumps would be deleted, for the names of their databases. */
function ask(c: Console, removal: Removal, problem?: string): void {
	const {location, keys, last} = removal;
	const wanted = last.length > 0 ? last.join(' ') : String(keys.length);
	c.ask({
		kind: 'form',
		title: `Delete ${plural(keys.length, 'file')} for good`,
		text: [
			...keys.slice(0, shownNames),
			...(keys.length > shownNames ? [`and ${keys.length - shownNames} more`] : []),
			'',
			...(last.length > 0 ? [`These are the last good dumps here of: ${last.join(', ')}.`, ''] : []),
			`There is no way back. Type ${wanted} to delete.`,
		],
		fields: [{name: 'count', label: last.length > 0 ? 'databases' : 'number of files', kind: 'text', value: ''}],
		cursor: 0,
		problem,
		submit({count = ''}) {
			if (count.trim() !== wanted) return ask(c, removal, `this is not ${wanted}: nothing was deleted`);
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
