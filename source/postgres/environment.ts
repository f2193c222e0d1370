export type Environment = Readonly<Record<string, string | undefined>>;

const inherited =
	/^(?:PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TZDIR|TMPDIR|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|PG.*|KRB5.*|SSL.*)$/;

/** What a PostgreSQL tool may know of our environment: never the keys of remote places or of encryption. */
export function toolEnvironment(environment: Environment): Record<string, string> {
	const result: Record<string, string> = {};
	for (const [name, value] of Object.entries(environment)) {
		if (value !== undefined && inherited.test(name) && !name.startsWith('PGBK_')) result[name] = value;
	}
	return result;
}
