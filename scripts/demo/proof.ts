/** Proof that a restored database is the one that was dumped, by other means than the program's own. */
import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {capture} from './command.js';
import {type Server} from './server.js';

export type Proof = {
	readonly tables: number;
	readonly rows: number;
};

/**
 * Compares all that a plain dump says of two databases of the server, and counts what is in `copy`. Throws when they differ.
 */
export async function compareDatabases(
	server: Server,
	database: string,
	copy: string,
	signal: AbortSignal,
): Promise<Proof> {
	const [original, restored] = [await fingerprint(server, database, signal), await fingerprint(server, copy, signal)];
	if (original !== restored) throw new Error(`${copy} differs from ${database}: pg_dump gives other contents`);
	const [tables, rows] = (await server.psql(copy, countRows)).trim().split('|').map(Number);
	return {tables: tables ?? 0, rows: rows ?? 0};
}

/** Returns the SHA-256 of the database's plain dump. */
async function fingerprint({host, port, binDirectory}: Server, database: string, signal: AbortSignal): Promise<string> {
	const connection = ['-h', host, '-p', String(port), '-U', 'postgres', '-d', database];
	const text = await capture(join(binDirectory, 'pg_dump'), ['--format=plain', '--no-sync', ...connection], {signal});
	// Newer minor releases put a random key around the script.
	return createHash('sha256')
		.update(text.replaceAll(/^\\(un)?restrict .*$/gm, ''))
		.digest('hex');
}

const countRows = `
	select count(*), sum((xpath('/row/c/text()', query_to_xml(format('select count(*) as c from %I.%I', nspname, relname), false, true, '')))[1]::text::bigint)
	from pg_class join pg_namespace n on n.oid = relnamespace
	where relkind = 'r' and nspname not like 'pg\\_%' and nspname <> 'information_schema'
`;
