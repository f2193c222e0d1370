/** What the S3 target is opened with. Empty strings count as absent. */
export type S3Settings = {
	readonly bucket: string;
	readonly region?: string;
	/** Of the shared configuration files. */
	readonly profile?: string;
	/** Static credentials when not empty; otherwise the SDK's own chain. */
	readonly keyId?: string;
	readonly secret?: string;
	readonly sessionToken?: string;
	/** `https://host:port`, or `host:port`, whose scheme `tls` then chooses. */
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
	/** Bytes of a part; 8 MiB, or more where the size demands it. */
	readonly partSize?: number;
	/** Most parts of an upload: 10,000, fewer at some services. */
	readonly maxParts?: number;
	/** Parts of one file on their way at once; 4. */
	readonly concurrency?: number;
	/** Removes the version that is current instead of hiding it (B2). */
	readonly deleteVersion?: boolean;
	/** The scheme of the location, where the service has a name of its own. */
	readonly kind?: 's3' | 'b2';
};
