/** Compares texts by the bytes of their UTF-8, as object stores and the collation "C" of PostgreSQL do. */
export function compareUtf8(a: string, b: string): number {
	if (a === b) return 0;
	// The order of UTF-16, ten times as fast, differs only where one of them has a surrogate.
	if (surrogate.test(a) || surrogate.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
	return a < b ? -1 : 1;
}

const surrogate = /[\uD800-\uDFFF]/;
