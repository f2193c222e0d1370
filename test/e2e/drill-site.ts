/** A server with a database that has something of each kind, its backups, and drills of them. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, filesIn, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

export type Manifest = {
	files: {
		path: string;
		role: string;
		database?: string;
		plain?: {
			tables?: {name: string; rows: number}[];
			schema?: {kind: string; count: number; definitions: string}[];
			uncounted?: number;
			databaseSize?: number;
		};
	}[];
};

/** Starts a server with the databases shop (1,001 rows in two tables) and odd "name"; the caller stops it. */
export async function startShop(): Promise<Cluster> {
	const server = await startCluster({name: 'drill', settings: {max_connections: '40'}});
	await server.psql(
		'postgres',
		`create role "app owner" login; create database shop owner "app owner"; create database "odd ""name"""`,
	);
	await server.psql(
		'shop',
		`set role "app owner"; create schema s; create type s.color as enum ('red', 'green'); create table s.parent (id int primary key, name varchar(20) check (name in ('a', 'b', 'c')));
		create table s.child (extra s.color) inherits (s.parent); insert into s.parent select i, 'a' from generate_series(1, 1000) as i; insert into s.child values (1, 'b', 'red');
		create view s.v as select * from s.parent where name in ('a', 'b'); create index on s.parent (lower(name)) where name = any (array['a', 'b']);
		create function s.f(i int) returns int language sql as 'select $1 + 1'; reset role; select lo_create(0)`,
	);
	return server;
}

/** Backs up what is in `server`, and records its contents completely. */
export async function backup(server: Cluster, directory: string, more: readonly string[] = []): Promise<void> {
	const config = join(scratchDirectory('config'), 'pg_back.conf');
	writeFileSync(config, 'record_contents = exact\n');
	const [, ...connection] = connectTo(server, directory);
	succeeded(await runProgram(['-c', config, ...connection, ...more]));
}

export function drill(directory: string, more: readonly string[] = []): Promise<Ended> {
	return runProgram(['--no-config-file', '-b', directory, '--restore-drill', ...more]);
}

/** Returns the manifest of the only run in `directory`. */
export function manifestOf(directory: string): {path: string; manifest: Manifest} {
	const name = filesIn(directory, {manifests: true}).find(one => one.endsWith('.manifest.json'));
	const path = join(directory, name ?? assert.fail('no manifest'));
	return {path, manifest: JSON.parse(readFileSync(path, 'utf8')) as Manifest};
}

/** Returns the names of the files that say what drills have proven. */
export function proofsIn(directory: string): string[] {
	return filesIn(directory, {manifests: true}).filter(name => name.endsWith('.proven.json'));
}
