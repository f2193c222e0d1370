import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {parseCommandLine} from '../../source/cli/parse.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import type {CommandRequest} from '../../source/core/handle.js';
import {equalCommand} from '../../source/restore/equal-command.js';

async function commandOf(argv: readonly string[], request: CommandRequest): Promise<string> {
	const configuration = await loadConfiguration({commandLine: await parseCommandLine(argv), env: {}});
	return equalCommand(configuration, request);
}

const s3 = ['--no-config-file', '-b', '/var/backups', '--s3-bucket', 'prod', '--s3-secret', 'hidden', '-i'];

describe('the command line that does the same', () => {
	it('names the place and the dumps, directory dumps as one, quoted for a shell', async () => {
		const keys = [
			"it's_2026-10-01T00:00:00Z.dump.age",
			'big_2026-10-01T00:00:00Z.d/1.dat',
			'big_2026-10-01T00:00:00Z.d/toc.dat',
		];
		const command = await commandOf(s3, {
			command: 'fetch',
			location: 's3',
			keys,
			target: '/restore here',
			decrypt: true,
		});
		assert.match(command, /^pg_back .*--no-config-file/);
		assert.match(command, / --download s3/);
		assert.match(command, / --decrypt/);
		assert.match(command, / -b '\/restore here'/);
		assert.ok(
			command.endsWith(String.raw` 'it'\''s_2026-10-01T00:00:00Z.dump.age' big_2026-10-01T00:00:00Z.d`),
			command,
		);
	});

	it('has no secret in it', async () => {
		for (const request of [
			{command: 'backup', databases: []},
			{command: 'verify', location: 's3', keys: ['a']},
			{command: 'drill', location: 'backup', keys: ['a']},
		] as const) {
			const command = await commandOf(s3, request);
			assert.doesNotMatch(command, /hidden/);
			assert.match(command, / --s3-bucket prod| -b \/var\/backups/);
			assert.doesNotMatch(command, / -i\b/);
		}
	});

	it('is one that the program takes', async () => {
		const command = await commandOf(s3, {command: 'verify', location: 's3', keys: ['app_2026-10-01T00:00:00Z.dump']});
		const again = await parseCommandLine(command.split(' ').slice(1));
		assert.equal(again.values.get('verifyStore'), 's3');
		assert.deepEqual(again.arguments, ['app_2026-10-01T00:00:00Z.dump']);
	});
});
