/** Known vulnerabilities of client programs that a hostile dump or server can use. */
import {formatVersion} from './versions.js';

/**
 * By major version, the first minor version without the vulnerability. Majors that are not listed below the newest one
 * never got the fix.
 */
const vulnerabilities: readonly (readonly [string, Readonly<Record<number, number>>])[] = [
	['CVE-2025-8714, CVE-2025-8715', {13: 22, 14: 19, 15: 14, 16: 10, 17: 6, 18: 0}],
	['CVE-2026-6464, CVE-2026-18408', {14: 24, 15: 19, 16: 15, 17: 11, 18: 6}],
];
const newestListed = 18;

/** Returns a warning for people; undefined when no vulnerability is known. */
export function knownVulnerabilities({
	path,
	version,
}: {
	readonly path: string;
	readonly version: number;
}): string | undefined {
	const major = Math.floor(version / 10_000);
	if (version < 100_000 || major > newestListed) return undefined;
	const found = vulnerabilities
		.filter(([, fixed]) => version % 10_000 < (fixed[major] ?? Infinity))
		.map(([names]) => names);
	if (found.length === 0) return undefined;
	const newest = vulnerabilities.at(-1)?.[1][major];
	const what = newest === undefined ? 'a supported major version' : `${major}.${newest} or newer`;
	return `${path} ${formatVersion(version)} has known vulnerabilities that a hostile dump or server can exploit (${found.join(', ')}): install ${what}`;
}
