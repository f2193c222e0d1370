export type Environment = Readonly<Record<string, string | undefined>>;

/** Keys of remote places and of encryption, and whatever calls itself a secret. */
const secret =
	/^(?:PGBK_|AWS_|AZURE_|B2_|GCLOUD_|GOOGLE_)|^(?!PG)(?:.*_)?(?:PASS(?:WORD|PHRASE)?|SECRET|TOKEN|CREDENTIALS?|API_?KEY)(?:_|$)/i;

/**
 * What a PostgreSQL tool may know of our environment: all but secrets. A wrapper that stands in for pg_dump (over ssh, in a
 * container) needs variables that nobody can list.
 */
export function toolEnvironment(environment: Environment): Record<string, string> {
	const result: Record<string, string> = {};
	for (const [name, value] of Object.entries(environment)) {
		if (value !== undefined && !secret.test(name)) result[name] = value;
	}
	return result;
}
