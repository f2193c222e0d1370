/** How the members of a dump are compressed. */
export type MemberCompression = {readonly method: 'none' | 'gzip' | 'zstd'; readonly level: number | undefined};
