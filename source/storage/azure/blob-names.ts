/** Returns why the service would change or reject a key (Naming and Referencing Containers, Blobs, and Metadata). */
export function keyProblem(key: string): string | undefined {
	if (key === '') return 'the key is empty';
	if (!key.isWellFormed()) return 'the key is not valid Unicode';
	if (key.length > 1024) return 'the key is longer than 1024 characters';
	if (key.includes('\\')) return 'Azure converts a backslash to a slash';
	if (key.split('/').some(segment => segment === '.' || segment === '..' || segment === ''))
		return 'Azure removes a segment that is empty, "." or ".."';
	if (/\.$/.test(key)) return 'Azure removes a dot at the end of a name';
	if (/[\u0000-\u001F\u007F\uFFFE\uFFFF]/.test(key)) return 'Azure does not allow control characters in names';
	return undefined;
}
