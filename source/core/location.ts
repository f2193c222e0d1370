/** A place where dumps are kept: the backup directory, or a configured remote. */
export type Location = {
	/** `backup` for the backup directory, otherwise the store's name (s3, b2, …), for another server `s3@NAME`. */
	readonly id: string;
	/** For people: `/var/backups/postgresql`, `s3://bucket/prefix/`. */
	readonly label: string;
	readonly remote: boolean;
};
