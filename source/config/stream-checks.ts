/** Checks of `local_copy = no` and `spool_limit`: dumps that exist only at the remote location. */
import {display} from '../lib/display.js';
import type {Blame} from './blame.js';
import type {Merged} from './merge.js';
import type {Problem} from './origin.js';

export function checkLocalCopy({settings, databases}: Merged, blame: Blame): readonly Problem[] {
	if (settings.localCopy) return [];
	const directory = [...databases].flatMap(([name, {format}]) => (format === 'directory' ? [display(name)] : []));
	const instead = 'use custom, or set spool_limit';
	const texts = [
		...(settings.upload.length === 0 ? ['no needs upload: the dumps would be stored nowhere'] : []),
		...(settings.upload.length > 1 ? ['no cannot be used with several places in upload'] : []),
		...(settings.spoolLimit === 0 && settings.format === 'directory'
			? [`no cannot be used with format = directory: ${instead}`]
			: []),
		...(settings.spoolLimit === 0
			? directory.map(name => `no cannot be used with format = directory of the database ${name}: ${instead}`)
			: []),
		...withoutFile(settings).map(text => `no ${text}`),
	];
	return texts.map(text => blame('localCopy', text));
}

/** A section may have the directory format where the others have not, so it is enough when one of them has it. */
export function checkSpool({settings, anyDatabase, databases}: Merged, blame: Blame): readonly Problem[] {
	if (settings.spoolLimit === 0) return [];
	const all = [anyDatabase, ...databases.values()];
	const isSplit = all.some(({format, splitTablesLargerThan}) => format === 'directory' && splitTablesLargerThan > 0);
	const texts = [
		...(all.some(({format}) => format === 'directory') ? [] : ['needs format = directory']),
		...(settings.upload.length === 0 ? ['needs upload: the dumps would be stored nowhere'] : []),
		...(settings.upload.length > 1 ? ['cannot be used with several places in upload'] : []),
		...(isSplit ? ['cannot be used with split_tables_larger_than: divided tables are written whole to this disk'] : []),
		...withoutFile(settings),
	];
	return texts.map(text => blame('spoolLimit', text));
}

/** Returns what needs the dump as a file. */
function withoutFile({verify, encryptKeepSource, shard}: Merged['settings']): readonly string[] {
	return [
		...(verify === 'full'
			? ['cannot be used with verify = full: there is no file to read back; verify the remote location with --verify']
			: []),
		...(encryptKeepSource ? ['cannot be used with encrypt_keep_source'] : []),
		...(shard === '' ? [] : ['cannot be used with --shard']),
	];
}
