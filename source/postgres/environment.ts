/** Encryption keys, and variables with names that suggest a secret. */
import type {Environment} from '../lib/environment.js';
const secret = /^PGBK_|^(?!PG)(?:.*_)?(?:PASS(?:WORD|PHRASE)?|SECRET|TOKEN|CREDENTIALS?|API_?KEY)(?:_|$)/i;

/**
 * Returns the environment for PostgreSQL tools: everything except secrets and names that match one of `secretVariables`
 * (of the stores). A wrapper for pg_dump (over ssh, in a container) may need any other variable.
 */
export function toolEnvironment(
	environment: Environment,
	secretVariables: readonly RegExp[],
): Readonly<Record<string, string>> {
	const result: Record<string, string> = {};
	for (const [name, value] of Object.entries(environment)) {
		const isSecret = secret.test(name) || secretVariables.some(names => names.test(name));
		if (value !== undefined && !isSecret) result[name] = value;
	}
	return result;
}
