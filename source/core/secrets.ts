/** Secrets that a call needs and the configuration does not have; entered in a masked field and kept in memory only. */
export type Secrets = {
	readonly passphrase?: string;
	/** Age identities, AGE-SECRET-KEY-…, one a line. */
	readonly privateKey?: string;
	/** A file of such identities, which may itself be encrypted with a passphrase. A leading `~/` is the home directory. */
	readonly keyFile?: string;
	/** Decrypts identity files that are themselves encrypted. */
	readonly identityPassphrase?: string;
};
