/** Returns the directory that contains all of `names`, with a trailing slash, or an empty string. */
export function commonDirectory(names: readonly string[]): string {
	const [first, ...others] = names;
	let common = first?.slice(0, first.lastIndexOf('/') + 1) ?? '';
	for (const name of others) {
		while (!name.startsWith(common)) common = common.slice(0, common.slice(0, -1).lastIndexOf('/') + 1);
	}
	return common;
}
