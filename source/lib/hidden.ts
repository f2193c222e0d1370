/**
 * Returns true when a part of the path is a name that begins with a dot. Callers that build paths reject `.` and `..`.
 */
export function isHidden(path: string): boolean {
	if (!path.startsWith('.') && !path.includes('/.')) return false;
	return path.split('/').some(part => part.startsWith('.') && part !== '.' && part !== '..');
}
