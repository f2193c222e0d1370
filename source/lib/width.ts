import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';

/** Returns the cells that `text` takes in a terminal: CJK and emoji two, combining marks none. */
export function cellWidth(text: string): number {
	return isAscii(text) ? text.length : stringWidth(text);
}

/**
 * Fits `text` into exactly `width` cells: truncated with `…` (or `mark`) at the end, or in the middle for names, and
 * padded.
 */
export function fit(
	text: string,
	width: number,
	options: {readonly align?: 'left' | 'right'; readonly cut?: 'end' | 'middle'; readonly mark?: string} = {},
): string {
	if (width <= 0) return '';
	const cut =
		cellWidth(text) > width
			? cliTruncate(text, width, {position: options.cut ?? 'end', truncationCharacter: options.mark ?? '…'})
			: text;
	const padding = ' '.repeat(Math.max(0, width - cellWidth(cut)));
	return options.align === 'right' ? padding + cut : cut + padding;
}

function isAscii(text: string): boolean {
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index);
		if (code < 0x20 || code > 0x7e) return false;
	}
	return true;
}
