import type {Glyphs} from '../glyphs.js';
import {type Line, span} from '../text.js';

/** Returns a bar of `width` cells for a fraction of 0 to 1. */
export function bar(fraction: number, width: number, glyphs: Glyphs): Line {
	const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
	const full = Math.floor(eighths / 8);
	const part = glyphs.parts[(eighths % 8) - 1] ?? '';
	const rest = width - full - part.length;
	return [span(glyphs.full.repeat(full) + part, 'bar'), span(glyphs.empty.repeat(Math.max(0, rest)), 'track')];
}

/** Returns a mark that moves back and forth, for work of unknown length. */
export function movingMark(tick: number, width: number, glyphs: Glyphs): Line {
	const size = Math.min(3, width);
	const way = width - size;
	const at = way <= 0 ? 0 : Math.abs(((tick + way) % (2 * way)) - way);
	return [
		span(glyphs.empty.repeat(at), 'track'),
		span(glyphs.full.repeat(size), 'running'),
		span(glyphs.empty.repeat(way - at), 'track'),
	];
}

/** Returns `71%`, never 100 before the end. An estimate has a `~`. */
export function percent(fraction: number, estimated = false): string {
	return `${estimated ? '~' : ''}${Math.min(99, Math.floor(fraction * 100))}%`;
}
