/** Versions as numbers, in the form of `server_version_num`: 15.18 is 150018, 9.6.24 is 90624. */

/**
 * Parses the version in the output of `TOOL --version`, in every known form: `pg_dump (PostgreSQL) 15.18 (Debian ...)`,
 * `10devel`, `17beta1`, `9.6rc1`, `pg_dump (EnterpriseDB) 15.2.0`. Undefined when there is none.
 */
export function parseVersion(text: string): number | undefined {
	const line = text.split('\n').find(one => /\d/.test(one)) ?? '';
	const found = /^\S+\s+(?:\([^)]*\)\s*)?v?(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(line);
	if (!found) return undefined;
	const [first = 0, second = 0, third = 0] = found.slice(1).map((part: string | undefined) => Number(part ?? 0));
	return first >= 10 ? first * 10_000 + second : (first * 100 + second) * 100 + third;
}

/** Returns `15.18` or `9.6.24`. */
export function formatVersion(version: number): string {
	const [first, second, third] = [Math.floor(version / 10_000), Math.floor(version / 100) % 100, version % 100];
	return first >= 10 ? `${first}.${version % 10_000}` : `${first}.${second}.${third}`;
}

/** Returns `15` or `9.6`: the version in package names. */
export function formatMajor(version: number): string {
	return version >= 100_000
		? String(Math.floor(version / 10_000))
		: `${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}`;
}

function majorOf(version: number): number {
	return version >= 100_000 ? Math.floor(version / 10_000) * 100 : Math.floor(version / 100);
}

export function sameMajor(one: number, other: number): boolean {
	return majorOf(one) === majorOf(other);
}

/**
 * Returns whether pg_dump accepts the server: it rejects a newer major than its own, and since 15 one older than 9.2
 * (before: 8.0).
 */
export function canDump(pgDump: number, server: number): boolean {
	return majorOf(pgDump) >= majorOf(server) && server >= (pgDump >= 150_000 ? 90_200 : 80_000);
}

/** The oldest supported pg_dump. */
export const oldestTools = 80_400;
/** The oldest psql that reports the SQLSTATE of an error, which a session needs. */
export const oldestPsql = 110_000;

export const supportsDirectory = (pgDump: number): boolean => pgDump >= 90_100;
export const supportsParallel = (pgDump: number): boolean => pgDump >= 90_300;
/** Older tools accept no connection string: everything is passed in the environment. */
export const supportsConnectionString = (tool: number): boolean => tool >= 90_300;
/** `-B`. */
export const supportsNoBlobs = (pgDump: number): boolean => pgDump >= 100_000;
export const supportsNoRolePasswords = (pgDumpall: number): boolean => pgDumpall >= 100_000;
/** Since 11, `pg_dump --create` and pg_restore -C restore the database's own properties. */
export const dumpsDatabaseProperties = (pgDump: number): boolean => pgDump >= 110_000;
/** `--statistics` and `--no-statistics`; a server of that version has the functions that restore them. */
export const supportsStatistics = (version: number): boolean => version >= 180_000;
/** `-Z zstd:N`. */
export const supportsZstd = (pgDump: number): boolean => pgDump >= 160_000;
