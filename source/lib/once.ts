/** A source of one piece, for what takes a stream. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield bytes;
}
