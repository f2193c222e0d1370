/** Checks of `local_copy = no`: dumps that are streamed to the remote location exist nowhere else. */
import {display} from '../lib/display.js';
import type {Blame} from './blame.js';
import type {Merged} from './merge.js';
import type {Problem} from './origin.js';

export function checkLocalCopy({settings, databases}: Merged, blame: Blame): readonly Problem[] {
	if (settings.localCopy) return [];
	const directory = [...databases].flatMap(([name, {format}]) => (format === 'directory' ? [display(name)] : []));
	const texts = [
		...(settings.upload.length === 0 ? ['no needs upload: the dumps would be nowhere'] : []),
		...(settings.upload.length > 1 ? ['no cannot be used with several places in upload'] : []),
		...(settings.format === 'directory' ? ['no cannot be used with format = directory: use custom'] : []),
		...directory.map(name => `no cannot be used with format = directory of the database ${name}: use custom`),
		...(settings.verify === 'full'
			? [
					'no cannot be used with verify = full: there is no file to read back; verify the remote location with --verify',
				]
			: []),
		...(settings.encryptKeepSource ? ['no cannot be used with encrypt_keep_source'] : []),
		...(settings.shard === '' ? [] : ['no cannot be used with --shard']),
	];
	return texts.map(text => blame('localCopy', text));
}
