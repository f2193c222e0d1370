/**
 * The table of contents of a directory dump. With it a directory looks like a dump, so it is stored after the other
 * members, and removed before them.
 */
export const contentsNames = ['toc.dat', 'toc.dat.age'] as const;

/** `path` of a member, or its key, has slashes. */
export function isTableOfContents(path: string): boolean {
	return contentsNames.some(name => path.endsWith(`.d/${name}`));
}
