/** The directory that all of `names` are in, with a slash at its end, or empty. */
export function commonDirectory(names: readonly string[]): string {
	const [first, ...others] = names;
	let common = first?.slice(0, first.lastIndexOf('/') + 1) ?? '';
	for (const name of others) {
		while (!name.startsWith(common)) common = common.slice(0, common.slice(0, -1).lastIndexOf('/') + 1);
	}
	return common;
}
