/** Computes the visible rows of a list. */

/**
 * Returns the first visible row, so that the cursor is inside the window of `height` rows and the window inside the
 * list. It moves as little as possible.
 */
export function windowTop(previousTop: number, cursor: number, height: number, count: number): number {
	const lowest = Math.max(0, count - height);
	const top = Math.min(previousTop, lowest, cursor);
	return Math.max(0, cursor >= top + height ? cursor - height + 1 : top);
}

export type ListMove = 'up' | 'down' | 'pageUp' | 'pageDown' | 'halfUp' | 'halfDown' | 'first' | 'last';

/** Returns the position of the cursor after a move, always inside the list. */
export function moveCursor(cursor: number, move: ListMove, height: number, count: number): number {
	const steps: Readonly<Record<ListMove, number>> = {
		up: -1,
		down: 1,
		pageUp: -height,
		pageDown: height,
		halfUp: -Math.ceil(height / 2),
		halfDown: Math.ceil(height / 2),
		first: -count,
		last: count,
	};
	return Math.max(0, Math.min(count - 1, cursor + steps[move]));
}
