/** The output of a scanner, with a statement that is held back until it is complete. */

export type HeldStatement = {
	/** Its first word, in lower case. */
	readonly word: string;
	/** The number of its first line. */
	readonly line: number;
};

export class ScannerOutput {
	#pieces: Buffer[] = [];
	#held: (HeldStatement & {readonly pieces: Buffer[]; length: number}) | undefined;

	get held(): HeldStatement | undefined {
		return this.#held;
	}

	/** Bytes kept back so far. */
	get heldLength(): number {
		return this.#held?.length ?? 0;
	}

	hold(statement: HeldStatement): void {
		this.#held = {...statement, pieces: [], length: 0};
	}

	add(piece: Buffer): void {
		if (piece.length === 0) return;
		if (!this.#held) {
			this.#pieces.push(piece);
			return;
		}
		this.#held.pieces.push(Buffer.from(piece));
		this.#held.length += piece.length;
	}

	/** Returns the statement so far, one character per byte. */
	heldText(): string {
		return Buffer.concat(this.#held?.pieces ?? []).toString('latin1');
	}

	/** Passes on the held text, or a replacement with as many lines. */
	release(instead?: string): void {
		const held = this.#held;
		this.#held = undefined;
		if (!held) return;
		if (instead === undefined) {
			this.#pieces.push(...held.pieces);
			return;
		}
		const lines = Buffer.concat(held.pieces).toString('latin1').split('\n').length - instead.split('\n').length;
		this.#pieces.push(Buffer.from(instead + '\n'.repeat(Math.max(0, lines)), 'latin1'));
	}

	/** Returns everything that may be passed on now. */
	take(): Buffer[] {
		const pieces = this.#pieces;
		this.#pieces = [];
		return pieces;
	}
}
