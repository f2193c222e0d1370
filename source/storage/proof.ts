/**
 * The rule for proving that an object holds the bytes that were sent: a checksum that the service computed from what it
 * stored, else an ETag that is an MD5, else reading the object back. The size alone proves nothing, and neither does
 * anything that pg_back sent along: metadata, properties, names.
 */

/** Algorithms that services compute. */
export type StoredAlgorithm = 'crc32' | 'crc32c' | 'crc64' | 'md5' | 'sha256';

/** A value from the service's own response that it computed from the stored bytes. */
export type StoredChecksum = {
	readonly algorithm: StoredAlgorithm;
	/** `etag`: the service calls it a tag, which is only likely to be an MD5. */
	readonly from: 'checksum' | 'etag';
	/**
	 * Lower-case hexadecimal for a whole object; a store may use its service's notation for values that it compares
	 * itself.
	 */
	readonly value: string;
};

/** A stored checksum with the same checksum of the bytes that were sent. */
export type Comparison = Omit<StoredChecksum, 'value'> & {
	readonly sent: string;
	readonly stored: string;
	/** The part that it is for, such as `part 3`; absent for the whole object. */
	readonly of?: string;
};

/** What is known about an upload after its end. */
export type Evidence = {
	/** Bytes. */
	readonly sent: number;
	/** Bytes reported by the service; undefined if it does not report them. */
	readonly stored: number | undefined;
	/** Together they cover everything that was sent. */
	readonly comparisons: readonly Comparison[];
};

export type Proof =
	/** Computed by the service from what it stored. */
	| {readonly by: 'checksum'; readonly algorithm: StoredAlgorithm}
	| {readonly by: 'etag'}
	| {readonly by: 'read back'}
	/** No proof. */
	| {readonly by: 'size'};

export type Verdict =
	| {readonly kind: 'proven'; readonly proof: Proof}
	/** Only the size agrees. */
	| {readonly kind: 'unproven'; readonly proof: Proof}
	/** A tag differs, but may not be an MD5, or even the size is unknown: only reading back can decide. */
	| {readonly kind: 'doubtful'; readonly reason: string}
	| {readonly kind: 'damaged'; readonly reason: string};

/** Says how many bytes are stored when it is not the number that was sent. */
export function sizeText(stored: number, sent: number): string {
	return stored < sent
		? `only ${stored} of ${sent} bytes were stored`
		: `${stored} bytes were stored instead of ${sent}`;
}

/** Returns what the evidence proves. */
export function judge({sent, stored, comparisons}: Evidence): Verdict {
	if (stored !== undefined && stored !== sent) return {kind: 'damaged', reason: sizeText(stored, sent)};
	const differs = (one: Comparison) => one.sent !== one.stored;
	const text = ({algorithm, from, of, sent: ours, stored: theirs}: Comparison) =>
		`the ${from === 'etag' ? 'ETag' : algorithm}${of === undefined ? '' : ` of ${of}`} is ${theirs} instead of ${ours}`;
	const wrong = comparisons.find(one => one.from === 'checksum' && differs(one));
	if (wrong) return {kind: 'damaged', reason: text(wrong)};
	const doubtful = comparisons.find(differs);
	if (doubtful) return {kind: 'doubtful', reason: text(doubtful)};
	const [first] = [...comparisons].sort((a, b) => Number(a.from === 'etag') - Number(b.from === 'etag'));
	if (first?.from === 'checksum') return {kind: 'proven', proof: {by: 'checksum', algorithm: first.algorithm}};
	if (first) return {kind: 'proven', proof: {by: 'etag'}};
	if (stored === undefined) return {kind: 'doubtful', reason: 'the service reports neither a size nor a checksum'};
	return {kind: 'unproven', proof: {by: 'size'}};
}

/** Returns true when the local copy may be deleted. */
export function isProof({by}: Proof): boolean {
	return by !== 'size';
}

/**
 * Returns the proof in the words of the log and the manifest: `crc32 computed by the service`, `md5 ETag`, `read back`,
 * `size only`.
 */
export function proofText(proof: Proof): string {
	switch (proof.by) {
		case 'checksum':
			return `${proof.algorithm} computed by the service`;
		case 'etag':
			return 'md5 ETag';
		case 'read back':
			return 'read back';
		case 'size':
			return 'size only';
	}
}
