/** Removes what killed runs have sent of dumps without a local copy. */
import {dirname, join} from 'node:path';
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {localManifests, remoteManifests} from '../repository/manifests.js';
import {manifestPathOf} from '../repository/remote-keys.js';
import type {ConfiguredContext} from '../runs/context.js';
import {tableOfContents} from '../stages/member-pass.js';
import type {LeftUpload} from '../stages/resume-upload.js';
import {abortStream} from '../stages/stream-record.js';
import {removeUploadRecord} from '../stages/upload-journal.js';

/**
 * Aborts or removes what the record of a killed run names, and removes the record. A failure causes a warning, and the
 * record stays.
 */
export async function abortLeftStream(run: ConfiguredContext, left: LeftUpload): Promise<void> {
	const {options, recordFile, record} = left;
	const {storage, emit} = options;
	const {location, key} = record;
	try {
		if (record.spooled) await removeLeftMembers(run, left);
		else {
			await abortStream(storage, key, run.signal);
			emit({type: 'file.removed', path: key, location, reason: 'the unfinished upload of a run that was killed'});
		}
		await removeUploadRecord(recordFile);
	} catch (error) {
		run.signal.throwIfAborted();
		const text = `cannot remove the unfinished upload of ${key} at ${location}: ${messageOf(error)}`;
		emit({type: 'log', level: 'warn', text: display(text)});
	}
}

/**
 * Removes the members of a directory dump that has no table of contents. A record is only a hint: with its table of
 * contents, or in a manifest, it may be a dump that can be restored, and everything of it stays.
 */
async function removeLeftMembers(run: ConfiguredContext, {options, recordFile, record}: LeftUpload): Promise<void> {
	const {storage, keyFor, emit} = options;
	const {key, location} = record;
	const {signal} = run;
	const members: string[] = [];
	for await (const {key: member} of storage.list(`${key}/`, {signal})) members.push(member);
	if ([tableOfContents, `${tableOfContents}.age`].some(name => members.includes(`${key}/${name}`))) return;
	await abortStream(storage, `${key}/`, signal);
	if (members.length === 0) return;
	const directory = run.configuration.settings.backupDirectory;
	const manifests = [...(await localManifests(run)), ...(await remoteManifests(run, {storage, keyFor}, signal))];
	const path = manifestPathOf(directory, join(dirname(recordFile), record.file));
	const naming = manifests.find(({manifest}) => manifest.files.some(file => file.path === path));
	if (naming) {
		const text = `${key} at ${location} is kept, although it has no table of contents: ${naming.path} names it`;
		emit({type: 'log', level: 'warn', text: display(text)});
		return;
	}
	const results = await storage.remove(members, {signal});
	const failed = results.find(({error, kept}) => error ?? kept);
	if (failed) throw failed.error ?? new Error(`${failed.key}: ${failed.kept}`);
	const reason = `${plural(members.length, 'member')} of the unfinished dump of a run that was killed or could not remove them`;
	emit({type: 'file.removed', path: `${key}/`, location, reason});
}
