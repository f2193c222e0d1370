/** What a dump says of its database is executed by a superuser: only statements about that database are taken. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {parseAsOf} from '../../source/restore/as-of.js';
import {creationOptions, parseDatabase} from '../../source/restore/database-definition.js';
import type {RestoreOptions} from '../../source/restore/restore-options.js';
import {
	type DatabasePlan,
	hiddenName,
	hiddenTag,
	isPreviousOf,
	previousName,
} from '../../source/restore/restore-plan.js';
import {propertiesOf} from '../../source/restore/settings-and-rename.js';

test('the statements of a database are given another name in the place of its own, whatever it holds', () => {
	const name = `a "b' \\`;
	const quoted = `"a ""b' \\"`;
	const found = parseDatabase(
		[
			`CREATE DATABASE ${quoted} WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C';`,
			`ALTER DATABASE ${quoted} SET x TO 'y;z';\nALTER ROLE r IN DATABASE ${quoted} SET work_mem TO '5MB';\nALTER DATABASE ${quoted} CONNECTION LIMIT = 3;`,
			`REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC;\nGRANT CONNECT ON DATABASE ${quoted} TO app;`,
		],
		{name, owner: 'app'},
	);
	assert.deepEqual(
		found.settings.map(one => one.on('new')),
		[`ALTER DATABASE "new" SET x TO 'y;z'`, `ALTER ROLE r IN DATABASE "new" SET work_mem TO '5MB'`],
	);
	assert.deepEqual(
		found.privileges.map(one => one.roles),
		[[], ['app']],
	);
	assert.equal(found.connectionLimit, 3);
	assert.deepEqual(creationOptions(found, 130_000), [
		'TEMPLATE = template0',
		"ENCODING = 'UTF8'",
		"LC_COLLATE = 'C'",
		"LC_CTYPE = 'C'",
	]);
});

test('a privilege of another grantor is granted by that role, if our user may act as it', () => {
	const text = `REVOKE ALL ON DATABASE app FROM PUBLIC;\nGRANT ALL ON DATABASE app TO "a b" WITH GRANT OPTION;
		SET SESSION AUTHORIZATION "a b";\nGRANT CONNECT ON DATABASE app TO c;\nRESET SESSION AUTHORIZATION;
		GRANT TEMPORARY ON DATABASE app TO d;`;
	const definition = parseDatabase([text], {name: 'app', owner: undefined});
	assert.deepEqual(
		definition.privileges.map(one => one.roles),
		[[], ['a b'], ['c', 'a b'], ['d']],
	);
	const role = {name: 'a b', attributes: new Map(), isOurs: false};
	const statements = (superuser: boolean, isOurs: boolean) =>
		propertiesOf(
			{hidden: 'new', definition} as DatabasePlan,
			{privileges: true} as RestoreOptions,
			{superuser, encoding: 'UTF8', roles: new Map([['a b', {...role, isOurs}]])},
			new Set(['a b', 'c', 'd']),
		).shared.slice(superuser ? 2 : 3);
	const granted = ['GRANT CONNECT ON DATABASE "new" TO c'];
	const rest = 'GRANT TEMPORARY ON DATABASE "new" TO d';
	assert.deepEqual(statements(true, false).slice(0, 4), ['set role "a b"', ...granted, 'reset role', rest]);
	assert.deepEqual(statements(false, true).slice(0, 4), ['set role "a b"', ...granted, 'reset role', rest]);
	assert.deepEqual(statements(false, false).slice(0, 2), [...granted, rest]);
});

test('statements about something else, and psql commands, are CORRUPT', () => {
	for (const text of [
		'ALTER DATABASE prod SET x TO 1;',
		'DROP DATABASE app;',
		'ALTER DATABASE app SET x TO 1 \\! id;',
		'ALTER DATABASE app SET x TO :y;',
		'GRANT ALL ON DATABASE prod TO app;',
		'ALTER ROLE postgres SUPERUSER;',
		"UPDATE pg_catalog.pg_database SET datistemplate = 't' WHERE datname = 'prod';",
		"ALTER DATABASE app SET x TO 'y",
	])
		assert.throws(() => parseDatabase([text], {name: 'app', owner: undefined}), {code: 'CORRUPT'}, text);
});

test('names fit into 63 bytes, and are recognized', () => {
	for (const name of ['app', 'é'.repeat(31), 'x'.repeat(63)]) {
		const hidden = hiddenName(name, 'abc123');
		assert.ok(Buffer.byteLength(hidden) <= 63);
		assert.equal(hiddenTag(hidden), 'abc123');
		assert.ok(isPreviousOf(previousName(name, new Date(), new Set()), name));
	}
	assert.equal(hiddenTag('app.pgbk-ABC123'), undefined);
	assert.equal(isPreviousOf('other_before_20260101T000000', 'app'), false);
});

test('the name of a replaced database is free: a second replacement in the same second takes the next', () => {
	const time = new Date(2026, 10, 28, 17, 45, 0);
	const first = previousName('app', time, new Set());
	assert.equal(first, 'app_before_20261128T174500');
	assert.equal(previousName('app', time, new Set([first])), 'app_before_20261128T174501');
});

test('--as-of takes a date by its end, a time, a zone and an age', () => {
	const now = new Date('2026-11-28T12:00:00Z');
	assert.equal(parseAsOf('2026-11-20', now).value, new Date(2026, 10, 20, 23, 59, 59, 999).getTime());
	assert.equal(parseAsOf('2026-11-20T14:30', now).value, new Date(2026, 10, 20, 14, 30, 0, 999).getTime());
	// Names of files, and messages, show the second in which a run started.
	for (const text of ['2026-11-20T14:30:00Z', '2026-11-20 14:30:00z', '2026-11-20T15:30:00+01:00'])
		assert.equal(parseAsOf(text, now).value, Date.parse('2026-11-20T14:30:00.999Z'));
	assert.equal(parseAsOf('2026-11-20T14:30:00.25Z', now).value, Date.parse('2026-11-20T14:30:00.250Z'));
	assert.equal(parseAsOf('2026-11-20_14-30-00', now).value, new Date(2026, 10, 20, 14, 30, 0, 999).getTime());
	assert.equal(parseAsOf('36h', now).value, now.getTime() - 36 * 3_600_000);
	for (const bad of [
		'2026-02-30',
		'2026-02-30T04:00:00Z',
		'2026-02-30T04:00:00.5Z',
		'yesterday',
		'-5h',
		'99999999999h',
		'',
	])
		assert.ok(parseAsOf(bad, now).problem, bad);
});
