/** Shortens a statement of another session for display, and finds the table of one of pg_dump. Pure. */

/** Returns one line without literals, numbers, parameters and comments, with at most `length` characters. */
export function shortStatement(text: string, length = 80): string {
	const bare = text
		.replaceAll(/--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g, ' ')
		// A truncated literal extends to the end.
		.replaceAll(/\b[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|\\?$)/g, '?')
		.replaceAll(/(?:\b[bBxXnN]|\b[uU]&)?'(?:[^']|'')*(?:'|$)/g, '?')
		.replaceAll(/\$([A-Za-z_\u0080-\uFFFF][\w\u0080-\uFFFF]*)?\$[\s\S]*?(?:\$\1\$|$)/g, '?')
		.replaceAll(/"(?:[^"]|"")*(?:"|$)|(?<![\w$\u0080-\uFFFF])\d[\w.]*/g, part => (part.startsWith('"') ? part : '?'))
		.replaceAll(/\s+/g, ' ')
		.trim();
	// Does not split a surrogate pair.
	return bare.length <= length ? bare : `${bare.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

export type TableName = {readonly schema: string; readonly name: string};

const identifierSource = String.raw`(?:"((?:[^"]|"")+)"|([^\s".(),;]+))`;
const copyPattern = new RegExp(String.raw`^COPY ${identifierSource}\.${identifierSource}(?: |\()`, 'i');

/** Returns the table that `COPY schema.name (…) TO stdout` reads; undefined for any other statement. */
export function copiedTable(query: string): TableName | undefined {
	const match = copyPattern.exec(query);
	if (!match) return undefined;
	const [, quotedSchema, schema, quotedName, name] = match as (string | undefined)[];
	return {schema: unquoted(quotedSchema, schema), name: unquoted(quotedName, name)};
}

const nameSource = String.raw`((?:"(?:[^"]|"")+"|[^\s".(),;]+)(?:\.(?:"(?:[^"]|"")+"|[^\s".(),;]+))?)`;
const indexPattern = new RegExp(String.raw`^CREATE (?:UNIQUE )?INDEX ${nameSource} ON (?:ONLY )?${nameSource}`, 'i');
const constraintPattern = new RegExp(
	String.raw`^ALTER TABLE (?:ONLY )?${nameSource}\s+ADD CONSTRAINT ${nameSource}`,
	'i',
);

/** The index or the constraint that a statement of pg_restore builds, in the schema of its table; undefined for anything else. */
export function builtIndex(query: string): string | undefined {
	const [, index, of] = indexPattern.exec(query) ?? [];
	const [, table, constraint] = constraintPattern.exec(query) ?? [];
	const [name, relation] = index === undefined ? [constraint, table] : [index, of];
	if (name === undefined || relation === undefined) return undefined;
	const parts = relation.match(/"(?:[^"]|"")+"|[^.]+/g) ?? [];
	const plain = (part: string) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part);
	return [...parts.slice(0, -1), name].map(plain).join('.');
}

/** Returns what pg_dump does with a statement of its first phase, which has no COPY. */
export function schemaActivity(query: string): string | undefined {
	if (/^COPY /i.test(query)) return undefined;
	return /^LOCK TABLE /i.test(query) ? 'locking tables' : 'reading the schema';
}

function unquoted(quoted: string | undefined, plain: string | undefined): string {
	return quoted?.replaceAll('""', '"') ?? plain ?? '';
}
