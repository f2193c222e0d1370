/** The comment of a role while the restore that creates it is active. Pure. */

export type RoleMark = {
	/** Of the restore: six characters. */
	readonly tag: string;
	/** The user who is a member of the role during the restore; undefined: a superuser needs no membership. */
	readonly by: string | undefined;
	/** The role's OID, which a copy of the role has not. */
	readonly oid: string;
	/** The role's own comment. */
	readonly comment: string | undefined;
};

const beginning = 'pg_back: role of unfinished restore ';

export function writeRoleMark({tag, ...more}: RoleMark): string {
	return `${beginning}${tag} ${JSON.stringify(more)}`;
}

/** Returns undefined for a comment that is not such a mark. */
export function readRoleMark(text: string): RoleMark | undefined {
	const [, tag, json] = new RegExp(`^${beginning}([a-z0-9]{6}) (\\{.*\\})$`, 's').exec(text) ?? [];
	if (tag === undefined || json === undefined) return undefined;
	try {
		const {by, oid, comment} = JSON.parse(json) as Record<string, unknown>;
		const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
		return {tag, by: textOf(by), oid: textOf(oid) ?? '', comment: textOf(comment)};
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}
