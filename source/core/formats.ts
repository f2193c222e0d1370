/** Words that the configuration, the names of files and the tools share. */

/** Of checksum files: what sha1sum, sha224sum … understand. */
export const checksumAlgorithms = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];

/** pg_dump's `-F`. */
export const dumpFormats = ['plain', 'custom', 'tar', 'directory'] as const;
export type DumpFormat = (typeof dumpFormats)[number];
