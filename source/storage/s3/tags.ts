/** Parses ETags, which services and proxies decorate. */

/** Returns the tag without quotes, the mark of a weak tag, and suffixes of proxies that compress. */
export function plainTag(tag: string | undefined): string | undefined {
	return tag
		?.trim()
		.replace(/^W\//i, '')
		.replaceAll('"', '')
		.replace(/[-;:]+(gzip|br|deflate|zstd)$/i, '')
		.toLowerCase();
}

/** Returns true for the form of an MD5: of a whole object, or of the MD5s of this number of parts (`…-3`). */
export function looksLikeMd5(tag: string | undefined, parts?: number): tag is string {
	return tag !== undefined && (parts === undefined ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{32}-\d+$/).test(tag);
}

/** Returns true when the service encrypts with keys that it creates for the object: the ETag is then not an MD5. */
export function hidesMd5(answer: {
	readonly ServerSideEncryption?: string;
	readonly SSECustomerAlgorithm?: string;
}): boolean {
	return answer.SSECustomerAlgorithm !== undefined || (answer.ServerSideEncryption?.startsWith('aws:') ?? false);
}
