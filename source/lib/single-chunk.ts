/** Returns a source of one chunk, for functions that take a stream. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield bytes;
}
