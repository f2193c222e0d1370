import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {refuseServerStatement} from '../../source/restore/script-options.js';

describe('statements about the whole server', () => {
	it('are told from those that pg_dump writes', () => {
		const found: readonly (readonly [string, string])[] = [
			["ALTER SYSTEM SET work_mem = '1MB'", 'ALTER SYSTEM'],
			['\n-- a\nalter\tsystem/**/reset all', 'ALTER SYSTEM'],
			['create role x', 'CREATE ROLE'],
			['create user "mapping"', 'CREATE USER'],
			['alter tablespace x owner to y', 'ALTER TABLESPACE'],
		];
		for (const [text, words] of found)
			assert.throws(() => refuseServerStatement(text, 'a.sql, line 1'), {
				code: 'CORRUPT',
				message: new RegExp(`^a\\.sql, line 1: ${words} changes`),
			});
		const written = [
			'CREATE USER MAPPING FOR x SERVER y',
			'ALTER USER  MAPPING FOR x SERVER y OPTIONS (SET a 1)',
			'ALTER TABLE public.system OWNER TO x',
			'CREATE TABLE "alter system" (a int)',
			'CREATE ROLEPLAY',
			"SELECT 'alter system set x'",
		];
		for (const text of written) assert.doesNotThrow(() => refuseServerStatement(text, 'a.sql, line 1'), text);
	});
});
