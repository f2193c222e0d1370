/** Returns true for entries about the database itself, which pg_restore omits without -C. */
export function isDatabaseEntry({kind, tag}: {readonly kind: string; readonly tag: string}): boolean {
	if (kind === 'DATABASE' || kind === 'DATABASE PROPERTIES') return true;
	return ['ACL', 'COMMENT', 'SECURITY LABEL'].includes(kind) && tag.startsWith('DATABASE ');
}
