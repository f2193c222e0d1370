/**
 * Passes secrets to libpq in files of mode 0600 in a directory of mode 0700, so that they are neither in argv nor in
 * the environment.
 */
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {type Parameters, secretKeywords} from './keywords.js';

export type SecretFiles = {
	/** The parameters that may be in argv. */
	readonly parameters: Parameters;
	/** The environment that completes them. */
	readonly environment: Readonly<Record<string, string>>;
	/** Removes the files. */
	readonly dispose: () => Promise<void>;
};

/**
 * Removes the secrets from `parameters` and `environment`. Throws PgBackError CONFIG for a secret that cannot be
 * stored.
 */
export async function hideSecrets(parameters: Parameters, environment: Environment): Promise<SecretFiles> {
	const {password: given, passfile, ...others} = parameters;
	const {PGPASSWORD, ...inherited} = environment;
	const env: Record<string, string | undefined> = inherited;
	const shown: {-readonly [K in keyof Parameters]: Parameters[K]} = {...others};
	for (const name of secretKeywords) Reflect.deleteProperty(shown, name);
	const service = parameters.service || environment['PGSERVICE'];
	const password = given || PGPASSWORD || undefined;
	const lines = secretKeywords
		.filter(name => name !== 'password' && parameters[name])
		.map(name => `${name}=${parameters[name] ?? ''}`);
	checkServiceLines(lines, service);

	const files = createFiles(environment['TMPDIR'] || tmpdir());
	try {
		if (password === undefined) {
			if (passfile !== undefined) shown.passfile = passfile;
		} else if (/[\n\r]/.test(password)) {
			env['PGPASSWORD'] = password; // a password file cannot contain it
		} else {
			const path = await files.write('pgpass', `*:*:*:*:${password.replaceAll(/[\\:]/g, '\\$&')}\n`);
			// libpq before 10 supports only the variable, but a service's own passfile would override it.
			if (service) shown.passfile = path;
			else env['PGPASSFILE'] = path;
		}
		if (lines.length > 0) {
			env['PGSERVICEFILE'] = await files.write('service', `[pg_back]\n${lines.join('\n')}\n`);
			shown.service = 'pg_back';
		}
	} catch (error) {
		await files.dispose();
		throw error;
	}
	return {parameters: shown, environment: defined(env), dispose: files.dispose};
}

function checkServiceLines(lines: readonly string[], service: string | undefined): void {
	if (lines.length === 0) return;
	const names = lines.map(line => line.slice(0, line.indexOf('='))).join(', ');
	if (service) {
		throw new PgBackError('CONFIG', `${names} cannot be kept out of the process list when a service is used`, {
			hint: `write ${names} into the service file`,
		});
	}
	if (lines.some(line => /[\n\r]|\s$/.test(line))) {
		throw new PgBackError('CONFIG', `the value of ${names} ends with a space or contains a line break`);
	}
}

function createFiles(parent: string) {
	let directory: string | undefined;
	return {
		write: async (name: string, text: string): Promise<string> => {
			directory ??= await mkdtemp(join(parent, 'pg_back-'));
			const path = join(directory, name);
			await writeFile(path, text, {mode: 0o600, flag: 'wx'});
			return path;
		},
		dispose: async (): Promise<void> => {
			if (directory !== undefined) await rm(directory, {recursive: true, force: true});
		},
	};
}

function defined(environment: Environment): Record<string, string> {
	return Object.fromEntries(
		Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
	);
}
