/** Words that the configuration, the file names and the tools share. */

/** Algorithms of checksum files, as supported by sha1sum, sha224sum and so on. */
export const checksumAlgorithms = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];

/** Formats of pg_dump's `-F` option. */
export const dumpFormats = ['plain', 'custom', 'tar', 'directory'] as const;
export type DumpFormat = (typeof dumpFormats)[number];
