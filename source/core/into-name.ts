import {compactTime} from '../lib/local-time.js';

/** Returns the name for a restored database: `{dbname}` and `{time}` in the pattern are replaced; '' keeps the name. */
export function intoName(pattern: string, database: string, time: Date): string {
	if (pattern === '') return database;
	return pattern.replaceAll(/\{(dbname|time)\}/g, (_, key) => (key === 'dbname' ? database : compactTime(time)));
}
