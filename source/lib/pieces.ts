/** What is left of `pieces` after their first `bytes`, without copying: a write may take less than it was given. */
export function afterBytes(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
	let skip = bytes;
	return pieces.flatMap(piece => {
		const taken = Math.min(skip, piece.byteLength);
		skip -= taken;
		return taken === piece.byteLength ? [] : [piece.subarray(taken)];
	});
}
