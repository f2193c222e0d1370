/** Proof that a dump is worth something: it is restored beside its original, and the two are compared. */
import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {capture} from './command.js';
import {identifier} from './databases.js';
import {type Server} from './server.js';

export type Proof = {
	readonly copy: string;
	readonly tables: number;
	readonly rows: number;
};

/**
 * Restores the custom-format archive `dump` of `database` as another database of the same server, with pg_restore, and compares
 * what a plain dump says of each. Throws when they differ.
 */
export async function proveRestorable(
	server: Server,
	database: string,
	dump: string,
	signal: AbortSignal,
): Promise<Proof> {
	const copy = `${database}_restored`;
	await server.psql('postgres', `create database ${identifier(copy)} template template0`);
	const connection = ['-h', server.host, '-p', String(server.port), '-U', 'postgres'];
	await capture(join(server.binDirectory, 'pg_restore'), ['--exit-on-error', ...connection, '-d', copy, dump], {
		signal,
	});
	const [original, restored] = [await fingerprint(server, database, signal), await fingerprint(server, copy, signal)];
	if (original !== restored) throw new Error(`${copy} differs from ${database}: pg_dump gives other contents`);
	const [tables, rows] = (await server.psql(copy, countRows)).trim().split('|').map(Number);
	return {copy, tables: tables ?? 0, rows: rows ?? 0};
}

/** SHA-256 over all that pg_dump finds in the database, in the order in which it prints it. */
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
