/** What ordinary groups have in common: few differ in more than their times. */
export type Shape = {
	/** The zone in the names. */
	readonly zone: string;
	readonly tails: readonly string[];
	readonly whole: boolean;
	readonly directory: boolean;
};

export type Shapes = {
	readonly at: (id: number) => Shape;
	/** Returns the number of the shape without files. */
	readonly empty: (zone: string) => number;
	/**
	 * Returns the number of the shape with one more file, by the part of its path after the time, or (undefined) with a
	 * directory dump. Undefined when there are too many shapes.
	 */
	readonly with: (id: number, tail: string | undefined, whole: boolean) => number | undefined;
};

/** Leaves room for every zone. */
const mostShapes = 50_000;

/** Numbers are below 2^16. */
export function createShapes(): Shapes {
	const all: Shape[] = [];
	const next: Map<string, number>[] = [];
	const byZone = new Map<string, number>();

	function add(shape: Shape): number {
		next.push(new Map());
		return all.push(shape) - 1;
	}

	const at = (id: number) => all[id] ?? {zone: '', tails: [], whole: false, directory: false};
	return {
		at,
		empty(zone) {
			const known = byZone.get(zone);
			if (known !== undefined) return known;
			const copy = copyOf(zone);
			const id = add({zone: copy, tails: [], whole: false, directory: false});
			byZone.set(copy, id);
			return id;
		},
		with(id, tail, whole) {
			const before = at(id);
			if (tail === undefined && before.directory && (before.whole || !whole)) return id;
			const key = `${whole ? '+' : '-'}${tail ?? '/'}`;
			const known = next[id]?.get(key);
			if (known !== undefined || all.length >= mostShapes) return known;
			const made = add({
				zone: before.zone,
				tails: tail === undefined ? before.tails : [...before.tails, copyOf(tail)],
				whole: whole || before.whole,
				directory: tail === undefined || before.directory,
			});
			next[id]?.set(copyOf(key), made);
			return made;
		},
	};
}

/** A slice of a page's text would keep the whole page in memory. */
function copyOf(text: string): string {
	return Buffer.from(text).toString();
}
