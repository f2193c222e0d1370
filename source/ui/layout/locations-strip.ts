/** Formats the strip of configured locations, with the current one in brackets. */
import type {Location} from '../../core/location.js';
import {cellWidth, fit} from '../../lib/width.js';
import {clean, type Glyphs} from '../glyphs.js';
import {type Line, span} from '../text.js';

/** Returns at most `width` cells: labels are cut, then the farthest are omitted, until the current one fits. */
export function locationsStrip(
	locations: readonly Location[],
	current: string | undefined,
	width: number,
	glyphs: Glyphs,
): Line {
	const at = Math.max(
		0,
		locations.findIndex(location => location.id === current),
	);
	const labels = locations.map(location => clean(location.label, glyphs));
	if (labels.length === 1) return [span(` ${fitted(labels[0] ?? '', width - 1, glyphs)}`, 'strong')];
	const [before, after] = glyphs.ascii ? ['<', '>'] : ['‹', '›'];
	const separator = ` ${glyphs.dot} `;
	const room = width - 6;
	for (const longest of [60, 40, 28, 20]) {
		const cut = labels.map(label => fitted(label, longest, glyphs));
		const used = cut.reduce((sum, label) => sum + cellWidth(label) + separator.length, 0) - separator.length + 2;
		if (used <= room) return strip(cut, 0);
	}
	// Neighbors of the current one, as long as there is room.
	const own = fitted(labels[at] ?? '', room - 2, glyphs);
	const shown = new Map([[at, own]]);
	let left = room - 2 - cellWidth(own);
	for (const index of [at + 1, at - 1, at + 2, at - 2]) {
		const label = labels[index];
		if (label === undefined) continue;
		const cut = fitted(label, 20, glyphs);
		left -= cellWidth(cut) + separator.length;
		if (left < 0) break;
		shown.set(index, cut);
	}
	const first = Math.min(...shown.keys());
	return strip(
		[...shown].toSorted(([a], [b]) => a - b).map(([, label]) => label),
		first,
	);

	function strip(texts: readonly string[], offset: number): Line {
		return [
			span(` ${before} `, 'key'),
			...texts.flatMap((text, index) => [
				...(index === 0 ? [] : [span(separator, 'quiet')]),
				index + offset === at ? span(`[${text}]`, 'title') : span(text, 'quiet'),
			]),
			span(` ${after}`, 'key'),
		];
	}
}

function fitted(text: string, width: number, glyphs: Glyphs): string {
	return cellWidth(text) <= width ? text : fit(text, Math.max(4, width), {cut: 'middle', mark: glyphs.cut}).trimEnd();
}
