/** Splits incoming bytes into lines of bounded length. */
export class LineReader {
	readonly #limit: number;
	#pieces: Buffer[] = [];
	#length = 0;

	/** `limit` is in bytes. */
	constructor(limit: number) {
		this.#limit = limit;
	}

	/**
	 * Returns the lines that are now complete. Throws RangeError when a line, complete or not, is longer than the limit.
	 */
	push(chunk: Buffer): readonly string[] {
		const lines: string[] = [];
		let start = 0;
		for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
			this.#add(chunk.subarray(start, end));
			lines.push(Buffer.concat(this.#pieces).toString());
			this.#pieces = [];
			this.#length = 0;
			start = end + 1;
		}
		this.#add(chunk.subarray(start));
		return lines;
	}

	#add(piece: Buffer): void {
		this.#length += piece.length;
		if (this.#length > this.#limit) throw new RangeError(`a line is longer than ${this.#limit} bytes`);
		if (piece.length > 0) this.#pieces.push(piece);
	}
}
