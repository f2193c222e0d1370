/** Checks `split_tables_larger_than` with the settings that it depends on, of all databases and of each section. */
import {methodOf} from '../lib/compression.js';
import type {Blame} from './blame.js';
import type {Merged} from './merge.js';
import type {Problem} from './origin.js';

/** A section may have what the others lack, so it is enough when one of them can use it. */
export function checkSplit({anyDatabase, databases}: Merged, blame: Blame): readonly Problem[] {
	const asking = [anyDatabase, ...databases.values()].filter(({splitTablesLargerThan}) => splitTablesLargerThan > 0);
	if (asking.length === 0) return [];
	const able = asking.filter(({format, parallelBackupJobs}) => format === 'directory' && parallelBackupJobs > 1);
	if (able.length === 0)
		return [blame('splitTablesLargerThan', 'needs format = directory and parallel_backup_jobs of at least 2')];
	return able.some(({compressLevel}) => methodOf(compressLevel) === 'lz4')
		? [blame('splitTablesLargerThan', 'cannot be used with compress_level = lz4: pg_back does not write it')]
		: [];
}
