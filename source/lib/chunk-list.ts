/** Returns the rest of `pieces` after the first `bytes`, without copying: a write may accept fewer bytes than given. */
export function afterBytes(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
	let skip = bytes;
	return pieces.flatMap(piece => {
		const taken = Math.min(skip, piece.byteLength);
		skip -= taken;
		return taken === piece.byteLength ? [] : [piece.subarray(taken)];
	});
}
