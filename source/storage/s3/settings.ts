/** The settings of the S3 store. Empty strings count as absent. */
export type S3Settings = {
	readonly bucket: string;
	readonly region?: string;
	/** The profile in the shared configuration files. */
	readonly profile?: string;
	/** Static credentials if not empty; otherwise the SDK's default chain. */
	readonly keyId?: string;
	readonly secret?: string;
	readonly sessionToken?: string;
	/** `https://host:port`, or `host:port` with the scheme that `tls` selects. */
	readonly endpoint?: string;
	readonly forcePath?: boolean;
	readonly tls?: boolean;
	readonly storageClass?: string;
	/** AES256, aws:kms or aws:kms:dsse. */
	readonly sse?: string;
	readonly sseKmsKeyId?: string;
	/** GOVERNANCE or COMPLIANCE, for `objectLockDays` from the upload on. */
	readonly objectLockMode?: string;
	readonly objectLockDays?: number;
	readonly tags?: Readonly<Record<string, string>>;
	/** Bytes of a part; 8 MiB, or more if the size requires it. */
	readonly partSize?: number;
	/** Maximum number of parts of an upload: 10,000, fewer at some services. */
	readonly maxParts?: number;
	/** Parts of one file in flight; 4. */
	readonly concurrency?: number;
	/** Removes the current version instead of hiding it (B2). */
	readonly deleteVersion?: boolean;
	/**
	 * The checksum that is sent with an upload and requested from the service; `auto` (the default): one that the service
	 * supports.
	 */
	readonly checksum?: 'auto' | 'crc32' | 'md5' | 'none';
	/** A canned ACL for every new object, such as bucket-owner-full-control. */
	readonly acl?: string;
	/** The scheme of the location, for a service with a name of its own. */
	readonly kind?: 's3' | 'b2';
};
